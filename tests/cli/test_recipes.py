"""imagegen recipes: what is shipped, and a file to start from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from imagegen_postprocess import recipe_names

Imagegen = Callable[..., Any]


def test_the_list_names_every_recipe(imagegen: Imagegen) -> None:
    shown = imagegen("recipes").out
    assert all(name in shown for name in recipe_names())
    listed = imagegen("recipes", "--json").json()["recipes"]
    assert [recipe["name"] for recipe in listed] == list(recipe_names())
    assert all(recipe["recipe"] == 1 and recipe["steps"] and recipe["title"] for recipe in listed)


def test_one_recipe_is_a_file_to_start_from(imagegen: Imagegen, tmp_path: Path) -> None:
    from imagegen_postprocess import Recipe, load_recipe, read_document

    text = imagegen("recipes", "faithful").out
    assert Recipe.from_dict(read_document(text, "mine")) == Recipe.from_dict(load_recipe("faithful"))


def test_a_name_that_is_not_there_is_refused(imagegen: Imagegen) -> None:
    ended = imagegen("recipes", "polish", "--json")
    assert (ended.code, ended.json()["error"]["field"]) == (2, "recipe")
