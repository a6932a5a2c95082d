"""The options that say how a picture is finished, as a recipe."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from imagegen.errors import InvalidRequest
from imagegen_postprocess import FinishingError, Recipe, load_preset

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


def recipe(
    background: str | None = None, size: tuple[int, int] | None = None, preset: str | None = None
) -> Recipe:
    """The preset's recipe, or the default one, with this background and canvas.

    Raises InvalidRequest naming the option.
    """
    width, height = size or (None, None)
    fields: dict[str, Any] = {"preset": preset, "background": background, "width": width, "height": height}
    try:
        chosen = Recipe.from_dict({name: value for name, value in fields.items() if value is not None})
        if preset is not None:
            load_preset(preset).format_for(chosen.background)
    except FinishingError as error:
        field = "size" if error.field in ("width", "height") else error.field
        raise InvalidRequest(error.message, field=field, hint=error.hint) from error
    return chosen
