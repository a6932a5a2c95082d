"""What a body asks for, without a server: whatever it holds, it is read or refused in our own words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as fuzz
from hypothesis import strategies as st
from pydantic import ValidationError

from imagegen.errors import InvalidRequest
from imagegen.http.from_wire import read
from imagegen.http.schemas.images import ImageGeneration
from imagegen.weights.catalog import ModelCard, find_model
from imagegen_postprocess import Recipe


@pytest.fixture(scope="module")
def card(tiny_checkpoint: Path) -> ModelCard:
    return find_model(str(tiny_checkpoint))


def asked(**body: Any) -> ImageGeneration:
    return ImageGeneration.model_validate({"prompt": "sock", **body})


def test_a_bare_prompt_asks_for_the_models_own_size_and_the_plain_recipe(card: ModelCard) -> None:
    (request,) = read(asked(), card, 32)
    assert (request.width, request.height, request.steps) == (None, None, None)
    assert request.recipe == Recipe()


@pytest.mark.parametrize("recipe", [None, {}, {"background": "transparent"}])
def test_transparent_is_written_into_the_recipe(card: ModelCard, recipe: Any) -> None:
    (request,) = read(asked(background="transparent", recipe=recipe), card, 32)
    assert request.recipe is not None
    assert request.recipe.background == "transparent"


def test_opaque_agrees_with_any_colour(card: ModelCard) -> None:
    (request,) = read(asked(background="opaque", recipe={"background": "#123456"}), card, 32)
    assert request.recipe is not None
    assert request.recipe.background == "#123456"


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
recipes = st.dictionaries(
    st.sampled_from(["cutout", "background", "white_balance", "exposure", "fill", "width", "height", "x"]),
    scalars | st.integers(min_value=10**400, max_value=10**401) | st.lists(scalars, max_size=2),
)


@fuzz(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    recipe=recipes | st.just(False) | scalars,
    size=st.text(max_size=12) | st.from_regex(r"\d{1,30}x\d{1,30}", fullmatch=True),
    steps=scalars,
    seed=scalars,
    n=st.integers(0, 12),
)
def test_anything_is_read_or_refused(
    card: ModelCard, recipe: Any, size: str, steps: Any, seed: Any, n: int
) -> None:
    body = {"prompt": "sock", "recipe": recipe, "size": size, "steps": steps, "seed": seed, "n": n}
    try:
        requests = read(ImageGeneration.model_validate(body), card, 32)
    except (ValidationError, InvalidRequest):
        return
    assert len(requests) == n
