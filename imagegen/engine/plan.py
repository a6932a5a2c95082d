"""What the model will be asked for: a request with the model's own numbers filled in.

A request's size is that of the finished picture; a model makes only some sizes. When finishing follows, the
model makes the size it can that comes closest and finishing resamples it onto the canvas, and the artifact
says so. Without finishing nothing may change the pixels, so a size that the model does not make is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from imagegen.errors import InvalidRequest
from imagegen.request import ImageRequest
from imagegen.weights.catalog import ModelCard


@dataclass(frozen=True, slots=True)
class Plan:
    """`request` has seed, steps and size filled in; the model generates width x height pixels in `steps`
    steps.
    """

    request: ImageRequest
    card: ModelCard
    width: int
    height: int
    steps: int
    warnings: tuple[str, ...]

    @property
    def batch_key(self) -> tuple[object, ...]:
        """Requests with the same key can be denoised together."""
        return (self.card.path, self.width, self.height, self.steps)


def plan(request: ImageRequest, card: ModelCard) -> Plan:
    """Raises InvalidRequest(field="size") when the model cannot make the size and no finishing follows."""
    steps = request.steps or card.steps
    size = _finished_size(request, card)
    warnings: tuple[str, ...] = ()
    generated = size
    if not card.supports(*size):
        if request.recipe is None:
            raise InvalidRequest(
                f"{card.name} does not make {size[0]}x{size[1]} pictures", field="size", hint=_sizes(card)
            )
        generated = _closest_size(size, card)
        made, canvas = f"{generated[0]}x{generated[1]}", f"{size[0]}x{size[1]}"
        warnings = (f"{card.name} made {made} pixels; finishing resampled them for the {canvas} canvas",)
    resolved = replace(request.seeded(), width=size[0], height=size[1], steps=steps)
    return Plan(resolved, card, *generated, steps, warnings)


def _finished_size(request: ImageRequest, card: ModelCard) -> tuple[int, int]:
    recipe = request.recipe
    asked = (request.width, request.height)
    wanted = (recipe.width, recipe.height) if recipe is not None else (None, None)
    if asked != (None, None) and wanted != (None, None) and asked != wanted:
        raise InvalidRequest(
            "the request and its recipe ask for different sizes", field="size", hint="give one of them"
        )
    width, height = asked if asked != (None, None) else wanted
    return (card.width, card.height) if width is None or height is None else (width, height)


def _closest_size(size: tuple[int, int], card: ModelCard) -> tuple[int, int]:
    """The model's size nearest in shape; among equals the nearest in area.

    Free sizes keep to the model's own area at most.
    """
    ratio, area = size[0] / size[1], size[0] * size[1]
    if card.sizes is not None:
        return min(
            card.sizes,
            key=lambda s: (round(abs(math.log(s[0] / s[1] / ratio)), 6), abs(math.log(s[0] * s[1] / area))),
        )
    scale = math.sqrt(min(1.0, card.width * card.height / area))
    width, height = (max(card.multiple, round(side * scale / card.multiple) * card.multiple) for side in size)
    return width, height


def _sizes(card: ModelCard) -> str:
    if card.sizes is None:
        return f"take multiples of {card.multiple}, or leave finishing on to get any size"
    return "it makes " + ", ".join(f"{w}x{h}" for w, h in card.sizes) + "; leave finishing on to get any size"
