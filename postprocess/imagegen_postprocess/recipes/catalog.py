"""The recipes that come with imagegen, one YAML file each beside this module, and those in other files."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from imagegen_postprocess.errors import RecipeInvalid
from imagegen_postprocess.recipes.document import read_document

MAX_BYTES = 1 << 20


@cache
def recipe_names() -> tuple[str, ...]:
    """The names of all shipped recipes, sorted."""
    folder = files("imagegen_postprocess.recipes")
    return tuple(sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".yaml")))


def recipe_text(name: str) -> str:
    """The file of the shipped recipe of that name. Raises RecipeInvalid (field "recipe") listing those there
    are."""
    if name not in recipe_names():  # also keeps a caller's text away from the file system
        raise RecipeInvalid(
            f"there is no recipe {name!r}", field="recipe", hint=f"There are {', '.join(recipe_names())}"
        )
    return (files("imagegen_postprocess.recipes") / f"{name}.yaml").read_text(encoding="utf-8")


def load_recipe(name: str) -> dict[str, Any]:
    """The fields of the shipped recipe of that name, for `Recipe.from_dict`. Raises as `recipe_text` does."""
    return read_document(recipe_text(name), name)


def open_recipe(name_or_file: str) -> dict[str, Any]:
    """The fields of a shipped recipe, or of a file: whatever has a dot or a slash in it is a file's path."""
    if not {".", "/", "\\"} & set(name_or_file):
        return load_recipe(name_or_file)
    path = Path(name_or_file)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RecipeInvalid(f"{path} is larger than {MAX_BYTES:,} bytes", field="recipe")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RecipeInvalid(f"{path} cannot be read: {error.strerror}", field="recipe") from error
    except UnicodeDecodeError as error:
        raise RecipeInvalid(f"{path} is no text in UTF-8", field="recipe") from error
    return read_document(text, str(path))
