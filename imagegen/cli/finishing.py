"""The options that say how a picture is finished, as a recipe."""

from __future__ import annotations

from typing import Annotated

import typer

from imagegen.errors import InvalidRequest
from imagegen_postprocess import FinishingError, Recipe, choose_recipe, open_recipe

Background = Annotated[
    str | None,
    typer.Option(help='"white", "transparent" or "#rrggbb".', show_default="the preset's, or white"),
]
Size = Annotated[
    str | None,
    typer.Option(
        metavar="WxH", help="Pixels of the finished picture.", show_default="the preset's, or the model's own"
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Finish for a marketplace: a name from `imagegen presets`."),
]

BrandColour = Annotated[
    str | None,
    typer.Option(
        metavar="#RRGGBB|FILE",
        help="What the product's main colour is to become: a colour, or that of the product in a photo.",
    ),
]
Shadow = Annotated[
    str | None, typer.Option(help='"contact" (under the product), "drop" (behind it) or "none".')
]
Upscaler = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Enlarge small photos by a network such as realesrgan-x4plus, if NAME.onnx is on this machine.",
        show_default="a resampler",
    ),
]
RecipeName = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="NAME|FILE",
        help="How to finish: a name from `imagegen recipes`, a file, or an earlier picture's report.",
    ),
]


def recipe(
    background: str | None = None,
    size: tuple[int, int] | None = None,
    preset: str | None = None,
    named: str | None = None,
    brand_colour: str | None = None,
    shadow: str | None = None,
    upscaler: str | None = None,
) -> Recipe:
    """The recipe of that name or file, or the default one, for this preset, with this background and canvas.

    A preset goes before the recipe's canvas, an option before both. Raises InvalidRequest naming the option.
    """
    try:
        return choose_recipe(
            None if named is None else open_recipe(named),
            preset=preset,
            background=background,
            size=size,
            brand_colour=brand_colour,
            shadow=shadow,
            upscaler=upscaler,
        )
    except FinishingError as error:
        field = "size" if error.field in ("width", "height") and size is not None else error.field
        raise InvalidRequest(error.message, field=field, hint=error.hint) from error
