"""Which recipe is meant by a name or file, a marketplace and single wishes together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagegen_postprocess.marketplaces.catalog import load_preset
from imagegen_postprocess.recipe import Recipe


def choose_recipe(
    fields: Mapping[str, Any] | None = None,
    *,
    preset: str | None = None,
    background: str | None = None,
    size: tuple[int, int] | None = None,
    brand_colour: str | None = None,
    shadow: str | None = None,
    upscaler: str | None = None,
) -> Recipe:
    """The recipe of these fields, or the default one, for this preset, on this background and canvas.

    fields: as `open_recipe` gives them. A preset goes before their canvas, background and size before both.
    Raises RecipeInvalid naming the field, also for a background that no format of the preset can hold.
    """
    chosen: dict[str, Any] = dict(fields or {})
    if preset is not None:
        chosen |= {**load_preset(preset).recipe_fields(), "preset": preset}
    if background is not None:
        chosen["background"] = background
    if size is not None:
        chosen["width"], chosen["height"] = size
    wishes = {"brand_colour": brand_colour, "shadow": shadow, "upscaler": upscaler}
    chosen |= {name: value for name, value in wishes.items() if value is not None}
    recipe = Recipe.from_dict(chosen)
    if recipe.preset is not None:
        load_preset(recipe.preset).format_for(recipe.background)
    return recipe
