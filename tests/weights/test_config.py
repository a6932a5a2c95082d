from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from imagegen.weights.config import read_config


@dataclass(frozen=True)
class Shape:
    width: int
    ratio: float = 3.0
    axes: tuple[int, ...] | None = None
    extra: dict[str, Any] | None = None


def test_takes_known_keys_and_leaves_others_alone() -> None:
    content = {"width": 8, "ratio": 2, "axes": [1, 2], "_diffusers_version": "0.42", "extra": {"a": 1}}
    assert read_config(Shape, content) == Shape(8, 2, (1, 2), {"a": 1})
    assert read_config(Shape, {"width": 8, "axes": None}) == Shape(8)


@pytest.mark.parametrize(
    "content",
    [{}, {"width": "8"}, {"width": True}, {"width": 8.0}, {"width": None}, {"width": [8]}],
    ids=str,
)
def test_a_missing_or_wrong_value_is_named(content: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="width"):
        read_config(Shape, content)


@pytest.mark.parametrize("axes", [[1, "2"], 3, [True]], ids=str)
def test_a_list_holds_what_it_should(axes: object) -> None:
    with pytest.raises(ValueError, match="axes"):
        read_config(Shape, {"width": 8, "axes": axes})
