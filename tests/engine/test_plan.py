"""What the model is asked for, given what the client asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen.engine.plan import plan
from imagegen.errors import InvalidRequest
from imagegen.request import ImageRequest
from imagegen.weights.catalog import ModelCard, find_model
from imagegen_postprocess import Recipe


@pytest.fixture(scope="module")
def starter() -> ModelCard:
    return find_model("starter", None)


def _free(card: ModelCard) -> ModelCard:
    """A model like the 4B: any multiple of 16, one megapixel of its own."""
    return replace(card, path=Path("free"), sizes=None, multiple=16, width=1024, height=1024)


def test_the_models_own_numbers_fill_the_gaps(starter: ModelCard) -> None:
    made = plan(ImageRequest("cap"), starter)
    assert (made.width, made.height, made.steps) == (starter.width, starter.height, starter.steps)
    assert made.request.seed is not None
    assert made.warnings == ()


def test_finishing_bridges_a_size_the_model_does_not_make_and_says_so(starter: ModelCard) -> None:
    made = plan(ImageRequest("cap", width=1000, height=1000), starter)
    assert (made.width, made.height) == (starter.width, starter.height)
    assert (made.request.width, made.request.height) == (1000, 1000)
    assert "1000x1000" in made.warnings[0]


def test_without_finishing_a_size_the_model_does_not_make_is_refused(starter: ModelCard) -> None:
    with pytest.raises(InvalidRequest, match="256x256") as refused:
        plan(ImageRequest("cap", width=1000, height=1000, recipe=None), starter)
    assert refused.value.field == "size"


def test_a_size_may_come_from_the_recipe_but_not_from_both(starter: ModelCard) -> None:
    recipe = Recipe(width=640, height=480)
    made = plan(ImageRequest("cap", recipe=recipe), starter)
    assert (made.request.width, made.request.height) == (640, 480)
    with pytest.raises(InvalidRequest, match="different sizes"):
        plan(ImageRequest("cap", width=512, height=512, recipe=recipe), starter)


@given(width=st.integers(64, 8192), height=st.integers(64, 8192))
def test_a_free_model_stays_near_the_shape_and_within_its_area(width: int, height: int) -> None:
    card = _free(find_model("starter", None))
    made = plan(ImageRequest("cap", width=width, height=height), card)
    assert card.supports(made.width, made.height)
    if not card.supports(width, height):
        assert (
            made.width * made.height <= 1.1 * card.width * card.height or min(made.width, made.height) <= 64
        )
        assert abs(made.width / made.height - width / height) <= 0.5 * width / height


def test_only_like_requests_ride_together(starter: ModelCard) -> None:
    keys = {
        plan(ImageRequest("cap", seed=1), starter).batch_key,
        plan(ImageRequest("bag", seed=2, width=512, height=512), starter).batch_key,
    }
    assert len(keys) == 1
    assert plan(ImageRequest("cap", steps=8), starter).batch_key not in keys
