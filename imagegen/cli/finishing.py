"""The options that say how a picture is finished, as a recipe."""

from __future__ import annotations

from typing import Annotated

import typer

from imagegen.errors import InvalidRequest
from imagegen_postprocess import FinishingError, Recipe

Background = Annotated[
    str | None, typer.Option(help='"white", "transparent" or "#rrggbb".', show_default="white")
]
Size = Annotated[
    str | None,
    typer.Option(metavar="WxH", help="Pixels of the finished picture.", show_default="the model's own"),
]


def recipe(background: str | None, size: tuple[int, int] | None = None) -> Recipe:
    """The default recipe on this background and canvas. Raises InvalidRequest naming the option."""
    width, height = size or (None, None)
    try:
        return Recipe(background=background or "white", width=width, height=height)
    except FinishingError as error:
        field = "size" if error.field in ("width", "height") else error.field
        raise InvalidRequest(error.message, field=field, hint=error.hint) from error
