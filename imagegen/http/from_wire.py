"""Reading a request: OpenAI's parameters and ours -> the ImageRequests they ask for. Everything that cannot
be honoured is refused here, by the name of its field, before anything is queued.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import cast

from imagegen.artifact import Format
from imagegen.errors import InvalidRequest
from imagegen.http.schemas.images import ImageGeneration
from imagegen.request import MAX_STEPS, ImageRequest, parse_size
from imagegen.weights.catalog import ModelCard
from imagegen_postprocess import FinishingError, Recipe, load_preset

JPEG_WEBP_QUALITY = 90

# A quality is a number of steps, in halves of the model's own. Whether more look better depends on the model.
_HALVES = {"low": 1, "medium": 2, "standard": 2, "high": 4, "hd": 4, "xhigh": 6, "max": 8}


def read(body: ImageGeneration, card: ModelCard, queue_size: int) -> list[ImageRequest]:
    """The `n` requests of a body, for the model that it named. Raises InvalidRequest naming the field."""
    recipe = _recipe(body)
    _check_combinations(body, output_format(body, recipe), queue_size)
    if recipe is not None and recipe.background == "transparent" and output_format(body, recipe) == "jpeg":
        raise InvalidRequest("jpeg cannot be transparent", field="output_format", hint="use png or webp")
    width, height = parse_size(body.size) or (None, None)
    request = ImageRequest(
        body.prompt, str(card.path), width, height, steps=_steps(body, card), seed=body.seed, recipe=recipe
    )
    return request.variants(body.n)


def output_format(body: ImageGeneration, recipe: Recipe | None) -> Format:
    """The format of the files: the preset's unless the body names one. Raises InvalidRequest for a format
    that its marketplace does not take."""
    if recipe is None or recipe.preset is None:
        return body.output_format
    try:
        preset = load_preset(recipe.preset)
        own = cast(Format, preset.format_for(recipe.background))
    except FinishingError as error:
        raise InvalidRequest(error.message, field=error.field, hint=error.hint) from error
    chosen = body.output_format if "output_format" in body.model_fields_set else own
    if chosen not in preset.formats:
        raise InvalidRequest(
            f"{preset.name} does not take {chosen}",
            field="output_format",
            hint=f"use {' or '.join(preset.formats)}",
        )
    return chosen


def encoding_quality(body: ImageGeneration) -> int:
    """The encoder's 1..100 for OpenAI's output_compression 0..100."""
    return JPEG_WEBP_QUALITY if body.output_compression is None else max(1, body.output_compression)


def _check_combinations(body: ImageGeneration, format: Format, queue_size: int) -> None:
    if body.partial_images and not body.stream:
        raise InvalidRequest("only a stream has partial pictures", field="partial_images", hint="set stream")
    if body.stream and body.response_format == "url":
        raise InvalidRequest("a stream carries the pictures themselves", field="response_format")
    if format == "png" and body.output_compression is not None:
        raise InvalidRequest(
            "png has no quality to choose", field="output_compression", hint="use jpeg or webp"
        )
    if body.n > queue_size:
        raise InvalidRequest(
            f"{body.n} pictures never fit into this server's queue of {queue_size}",
            field="n",
            hint="ask for fewer at once, or set IMAGEGEN_QUEUE_SIZE",
        )


def _recipe(body: ImageGeneration) -> Recipe | None:
    """The recipe with `background` written into it; None for no finishing."""
    if body.recipe is False:
        if body.background == "transparent":
            raise InvalidRequest(
                "only finishing makes it transparent, and recipe is false", field="background"
            )
        return None
    fields = dict(body.recipe or {})
    if body.background == "transparent":
        fields.setdefault("background", "transparent")
    try:
        recipe = Recipe.from_dict(fields)
    except FinishingError as error:
        field = f"recipe.{error.field}" if error.field else "recipe"
        raise InvalidRequest(error.message, field=field, hint=error.hint) from error
    transparent = recipe.background == "transparent"
    if body.background != "auto" and transparent != (body.background == "transparent"):
        raise InvalidRequest(
            f"is {body.background} here and {recipe.background} in the recipe", field="background"
        )
    if body.size != "auto" and not {"width", "height"} & fields.keys():
        return replace(recipe, width=None, height=None)  # the body's size goes before a preset's
    return recipe


def _steps(body: ImageGeneration, card: ModelCard) -> int | None:
    if body.quality == "auto":
        return body.steps
    if body.steps is not None:
        raise InvalidRequest(
            "quality is a number of steps, and steps is given too", field="steps", hint="give one"
        )
    return min(MAX_STEPS, math.ceil(card.steps * _HALVES[body.quality] / 2))
