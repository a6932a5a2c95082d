"""The cache: the same request, the same picture; bounded; nothing of what was dropped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imagegen.engine.cache import PictureCache
from imagegen.engine.plan import Plan, plan
from imagegen.engine.queue import Generation
from imagegen.request import ImageRequest
from imagegen.weights.catalog import find_model


def _plan(**fields: object) -> Plan:
    request = ImageRequest("cap", **{"seed": 1, "steps": 4, **fields})  # type: ignore[arg-type]
    return plan(request, find_model("starter", None))


def _made(plan: Plan) -> Generation:
    return Generation(plan, np.full((10, 10, 3), 7, np.uint8), {"denoise": 1.0}, (*plan.warnings, "cut"))


def test_the_same_request_finds_its_picture_however_it_is_finished() -> None:
    cache = PictureCache(1000)
    cache.put(_made(_plan()))
    found = cache.get(_plan(recipe=None))
    assert found is not None
    assert found.pixels.mean() == 7
    assert found.warnings == ("cut",)
    assert found.timings == {}
    with pytest.raises(ValueError, match="read-only"):
        found.pixels[0] = 0


@pytest.mark.parametrize("other", [{"seed": 2}, {"steps": 3}, {"prompt": "hat"}])
def test_another_request_does_not(other: dict[str, object]) -> None:
    cache = PictureCache(1000)
    cache.put(_made(_plan()))
    first = _plan()
    assert cache.get(replace(first, request=replace(first.request, **other), **_steps(other))) is None  # type: ignore[arg-type]


def test_what_was_not_asked_for_the_longest_goes() -> None:
    cache = PictureCache(2 * 300)
    for seed in (1, 2):
        cache.put(_made(_plan(seed=seed)))
    assert cache.get(_plan(seed=1)) is not None
    cache.put(_made(_plan(seed=3)))
    assert [cache.get(_plan(seed=seed)) is not None for seed in (1, 2, 3)] == [True, False, True]
    cache.drop(_plan(seed=1))
    assert cache.get(_plan(seed=1)) is None
    assert len(cache) == 1


def test_a_picture_larger_than_the_cache_is_not_kept() -> None:
    cache = PictureCache(299)
    cache.put(_made(_plan()))
    assert len(cache) == 0


def _steps(other: dict[str, object]) -> dict[str, object]:
    return {"steps": other["steps"]} if "steps" in other else {}
