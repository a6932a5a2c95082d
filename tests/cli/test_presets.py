"""imagegen presets: the marketplaces and their limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from imagegen_postprocess import preset_names

Imagegen = Callable[..., Any]


def test_every_preset_is_listed(imagegen: Imagegen) -> None:
    ended = imagegen("presets")
    assert ended.code == 0
    assert all(f"  {name}  " in ended.out for name in preset_names())


def test_one_preset_shows_every_limit_and_every_source(imagegen: Imagegen) -> None:
    ended = imagegen("presets", "ebay")
    (preset,) = imagegen("presets", "ebay", "--json").json()["presets"]
    assert ended.code == 0
    assert preset["name"] == "ebay"
    for limit in preset["limits"]:
        assert limit["measure"] in ended.out
        assert all(source in ended.out for source in limit["sources"])


def test_an_unknown_preset_is_refused_with_the_known_ones(imagegen: Imagegen) -> None:
    ended = imagegen("presets", "amazn")
    assert ended.code == 2
    assert all(name in ended.err for name in preset_names())
