"""Recipes as files: what they say is what is done, and what they say wrongly is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings

from imagegen_postprocess import (
    Recipe,
    RecipeInvalid,
    finish,
    finish_each,
    load_preset,
    load_recipe,
    open_recipe,
    read_document,
    recipe_names,
    recipe_text,
    title_of,
    to_document,
)
from tests.imagegen_postprocess.drawn import bag, photograph
from tests.imagegen_postprocess.test_recipe import RECIPES


@settings(deadline=None)
@given(RECIPES)
def test_a_recipe_survives_being_a_file(recipe: Recipe) -> None:
    for text in (json.dumps(to_document(recipe)), yaml.safe_dump(to_document(recipe, "mine"))):
        assert Recipe.from_dict(read_document(text, "mine.yaml")) == recipe


@pytest.mark.parametrize("name", recipe_names())
def test_a_shipped_recipe_has_a_title_and_finishes_a_picture(name: str) -> None:
    recipe = Recipe.from_dict(load_recipe(name))
    assert title_of(recipe_text(name), name)
    finished = finish(photograph(bag(96), (236, 230, 220), noise=1), recipe)
    assert {step.name for step in finished.report.steps} <= {"intake", *recipe.steps}


def test_the_catalogue_recipe_is_what_is_done_when_none_is_named() -> None:
    assert Recipe.from_dict(load_recipe("catalogue")) == Recipe(
        steps=("cutout", "white_balance", "exposure", "canvas")
    )


def test_a_step_that_is_not_named_does_not_run_and_the_order_is_the_files() -> None:
    text = "recipe: 1\nsteps: [exposure, {cutout: {method: plain}}, {canvas: {fill: 0.5}}]"
    recipe = Recipe.from_dict(read_document(text, "mine"))
    assert recipe.steps == ("exposure", "cutout", "canvas")
    report = finish(photograph(bag(96), (180, 180, 180)), recipe).report
    assert [step.name for step in report.steps] == ["intake", "exposure", "cutout", "canvas"]
    assert report["canvas"].detail["fill"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "recipe"),
        ("[1, 2]", "recipe"),
        ("recipe: 1\n  steps: [", "recipe"),
        ("steps: [canvas]", "recipe"),
        ("recipe: 2\nsteps: [canvas]", "recipe"),
        ("recipe: true\nsteps: [canvas]", "recipe"),
        ("recipe: 1", "steps"),
        ("recipe: 1\nsteps: []", "steps"),
        ("recipe: 1\nsteps: [cutout]", "steps"),
        ("recipe: 1\nsteps: [canvas, cutout]", "steps"),
        ("recipe: 1\nsteps: [canvas, canvas]", "steps"),
        ("recipe: 1\nsteps: [polish, canvas]", "steps"),
        ("recipe: 1\nsteps: [{cutout: {}, exposure: {}}, canvas]", "steps[0]"),
        ("recipe: 1\nsteps: [{exposure: 0.5}, canvas]", "steps[0].exposure"),
        ("recipe: 1\nsteps: [{exposure: {strenght: 0.5}}, canvas]", "steps[0].exposure.strenght"),
        ("recipe: 1\nsteps: [{exposure: {strength: 7}}, canvas]", "exposure"),
        ("recipe: 1\nstep: []\nsteps: [canvas]", "step"),
        ("recipe: 1\npreset: amazn\nsteps: [canvas]", "preset"),
        ("recipe: 1\ntitle: 7\nsteps: [canvas]", "title"),
    ],
)
def test_what_the_schema_does_not_know_is_refused_by_name(text: str, field: str) -> None:
    with pytest.raises(RecipeInvalid) as refusal:
        Recipe.from_dict(read_document(text, "mine.yaml"))
    assert refusal.value.field == field


@pytest.mark.parametrize("name", ["polish", "", "../recipe", "no-such.yaml", "/dev"])
def test_a_recipe_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(RecipeInvalid) as refusal:
        open_recipe(name)
    assert refusal.value.field == "recipe"


def test_a_recipes_file_is_text_of_a_sane_size(tmp_path: Path) -> None:
    for content in (b"\xff\xfe\x00", b" " * ((1 << 20) + 1)):
        (tmp_path / "mine.yaml").write_bytes(content)
        with pytest.raises(RecipeInvalid):
            open_recipe(str(tmp_path / "mine.yaml"))


def test_a_preset_fills_in_what_the_file_does_not_say() -> None:
    text = "recipe: 1\npreset: zalando\nsteps: [cutout, {canvas: {fill: 0.6}}]"
    recipe = Recipe.from_dict(read_document(text, "mine"))
    preset = load_preset("zalando")
    assert (recipe.width, recipe.height, recipe.fill) == (preset.width, preset.height, 0.6)


def test_several_recipes_from_one_picture_give_what_each_gives_alone() -> None:
    photo = photograph(bag(128), (232, 224, 210), noise=1)
    recipes = [
        Recipe(width=96, height=96),
        Recipe(background="transparent", fill=0.6),
        Recipe(white_balance=0.3),
        Recipe(cutout="none", steps=("canvas",)),
    ]
    for together, recipe in zip(finish_each(photo, recipes), recipes, strict=True):
        alone = finish(photo, recipe)
        assert np.array_equal(np.asarray(together.picture), np.asarray(alone.picture))
        assert [(step.name, step.detail) for step in together.report.steps] == [
            (step.name, step.detail) for step in alone.report.steps
        ]


def test_what_recipes_have_in_common_is_done_once() -> None:
    photo = photograph(bag(128), (232, 224, 210))
    first, second, third = finish_each(
        photo, [Recipe(fill=0.5), Recipe(fill=0.6), Recipe(fill=0.5, exposure=0)]
    )
    for name in ("intake", "cutout", "white_balance", "exposure"):
        assert first.report[name] is second.report[name]
    assert first.report["white_balance"] is third.report["white_balance"]
    assert first.report["exposure"] is not third.report["exposure"]
