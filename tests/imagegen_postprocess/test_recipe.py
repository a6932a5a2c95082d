from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegen_postprocess import FinishingError, Recipe, RecipeInvalid

SIDES = st.integers(16, 8192)
RECIPES = st.builds(
    lambda cutout, background, white_balance, exposure, fill, size, preset: Recipe(
        cutout, background, white_balance, exposure, fill, size[0], size[1], preset
    ),
    st.sampled_from(["plain", "none", "u2netp", "isnet-general-use", "birefnet-general-lite"]),
    st.one_of(st.sampled_from(["white", "transparent"]), st.from_regex(r"#[0-9a-fA-F]{6}", fullmatch=True)),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0.1, 1),
    st.one_of(st.just((None, None)), st.tuples(SIDES, SIDES)),
    st.sampled_from([None, "amazon", "zalando"]),
)


@settings(deadline=None)
@given(RECIPES)
def test_a_recipe_survives_json(recipe: Recipe) -> None:
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


@settings(deadline=None)
@given(RECIPES)
def test_a_recipe_can_be_a_key(recipe: Recipe) -> None:
    assert {recipe: 1}[dataclasses.replace(recipe)] == 1


def test_fields_may_be_left_out() -> None:
    assert Recipe.from_dict({"fill": 0.9}) == Recipe(fill=0.9)


def test_a_preset_fills_in_what_is_not_given() -> None:
    recipe = Recipe.from_dict({"preset": "zalando", "fill": 0.7})
    assert (recipe.width, recipe.height, recipe.background, recipe.fill) == (1801, 2600, "white", 0.7)
    assert Recipe.from_dict({"preset": None}) == Recipe()


@pytest.mark.parametrize("value", ["amazn", "", "../recipe", 3, ["amazon"]])
def test_an_unknown_preset_is_refused_with_the_known_ones(value: Any) -> None:
    with pytest.raises(RecipeInvalid) as refusal:
        Recipe.from_dict({"preset": value})
    assert refusal.value.field == "preset"
    assert not isinstance(value, str) or "amazon, americanas" in (refusal.value.hint or "")


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().fill = 0.5  # type: ignore[misc]


def test_colours_are_compared_in_one_spelling() -> None:
    assert Recipe(background="#FFAA00") == Recipe(background="#ffaa00")
    assert Recipe(background="#ffaa00").background_rgb == (255, 170, 0)
    assert Recipe(background="white").background_rgb == (255, 255, 255)
    assert Recipe(background="transparent").background_rgb is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cutout", ""),
        ("cutout", "../u2net"),
        ("cutout", "A model"),
        ("cutout", 3),
        ("background", "red"),
        ("background", "#fff"),
        ("background", "#gggggg"),
        ("background", None),
        ("white_balance", -0.01),
        ("white_balance", 1.01),
        ("white_balance", float("nan")),
        ("fill", 10**400),
        ("white_balance", "1"),
        ("exposure", True),
        ("exposure", float("inf")),
        ("fill", 0.0999),
        ("fill", 1.001),
        ("fill", None),
    ],
)
def test_a_bad_value_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(RecipeInvalid) as refusal:
        Recipe.from_dict({field: value})
    assert refusal.value.field == field
    assert refusal.value.hint
    assert isinstance(refusal.value, FinishingError)
    assert isinstance(refusal.value, ValueError)


@pytest.mark.parametrize("value", [15, 8193, 0, -1, 256.0, True, "256"])
@pytest.mark.parametrize("field", ["width", "height"])
def test_a_bad_side_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(RecipeInvalid) as refusal:
        Recipe.from_dict({"width": 256, "height": 256, field: value})
    assert refusal.value.field == field


@pytest.mark.parametrize(("given", "missing"), [("width", "height"), ("height", "width")])
def test_one_side_alone_is_refused(given: str, missing: str) -> None:
    with pytest.raises(RecipeInvalid) as refusal:
        Recipe.from_dict({given: 256})
    assert refusal.value.field == missing


def test_an_unknown_field_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RecipeInvalid, match="Known fields: cutout, background") as refusal:
        Recipe.from_dict({"backgruond": "white"})
    assert refusal.value.field == "backgruond"


@pytest.mark.parametrize("value", [None, [], "white", 3])
def test_what_is_no_mapping_is_refused(value: Any) -> None:
    with pytest.raises(RecipeInvalid) as refusal:
        Recipe.from_dict(value)
    assert refusal.value.field == "recipe"
