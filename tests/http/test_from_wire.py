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


scalars = st.none() | st.booleans() | st.integers(-(10**400), 10**400) | st.floats() | st.text(max_size=20)
shares = st.floats(0, 1) | scalars
sides = st.integers(0, 9000) | scalars
recipes = st.fixed_dictionaries(
    {},
    optional={
        "cutout": st.sampled_from(["plain", "none", "u2netp"]) | scalars,
        "background": st.sampled_from(["white", "transparent", "#a0B1c2"]) | scalars,
        "white_balance": shares,
        "exposure": shares,
        "fill": shares,
        "width": sides,
        "height": sides,
        "x": st.lists(scalars, max_size=2),
    },
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "recipe": recipes | st.just(False) | scalars,
        "size": st.from_regex(r"\d{1,30}x\d{1,30}", fullmatch=True) | st.text(max_size=12),
        "steps": st.integers(-1, 120) | scalars,
        "seed": st.integers(-1, 2**33) | scalars,
        "n": st.integers(0, 12),
        "background": st.sampled_from(["auto", "opaque", "transparent"]),
        "output_format": st.sampled_from(["png", "jpeg", "webp"]),
        "output_compression": st.integers(-1, 101),
        "quality": st.sampled_from(["auto", "low", "high", "max"]),
    },
)


@fuzz(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies)
def test_anything_is_read_or_refused(card: ModelCard, body: dict[str, Any]) -> None:
    refused = ""
    try:
        assert len(read(asked(**body), card, 32)) == body.get("n", 1)
    except ValidationError:
        return
    except InvalidRequest as refusal:
        refused = refusal.field or "nothing"
    assert refused.partition(".")[0] in {"", *body}
