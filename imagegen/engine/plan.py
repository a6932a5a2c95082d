"""What the model will be asked for: a request with the model's own numbers filled in.

A request's size is that of the finished picture; a model makes only some sizes. When finishing follows, the
model makes the size it can that comes closest and finishing resamples it onto the canvas, and the artifact
says so. Without finishing nothing may change the pixels, so a size that the model does not make is refused.
Who gives a photo and no size gets the photo's shape, in the model's own area.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from imagegen.engine.inputs import Inputs, fit_start
from imagegen.errors import InvalidRequest
from imagegen.photo import Photo
from imagegen.request import DEFAULT_STRENGTH, MIN_SIDE, Fit, ImageRequest
from imagegen.weights.catalog import ModelCard

if TYPE_CHECKING:
    from imagegen.engine.inputs import Pixels

SHAPES_ALIKE = 0.05  # of the logarithm of width by height


@dataclass(frozen=True, slots=True)
class Plan:
    """`request` has seed, steps, size and strength filled in, and photos without their files; the model
    generates width x height pixels in `steps` steps.

    `inputs` are the photos' pixels, that to start from at the model's size.
    """

    request: ImageRequest
    card: ModelCard
    width: int
    height: int
    steps: int
    warnings: tuple[str, ...]
    inputs: Inputs = field(default=Inputs(), compare=False, repr=False)

    @property
    def batch_key(self) -> tuple[object, ...]:
        """Requests with the same key can be denoised together: the same noise levels and as many tokens."""
        return (
            self.card.path,
            self.width,
            self.height,
            self.steps,
            self.request.strength,
            self.reference_grids,
        )

    @property
    def reference_grids(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of tokens of each photo that the model looks at."""
        multiple = self.card.multiple
        return tuple((p.shape[0] // multiple, p.shape[1] // multiple) for p in self.inputs.references)

    @property
    def reference_tokens(self) -> int:
        """Tokens of those photos in all."""
        return sum(rows * columns for rows, columns in self.reference_grids)

    @property
    def photo_pixels(self) -> int:
        """Of the largest photo that is encoded; 0 without one."""
        image = self.inputs.image
        photos = [*self.inputs.references, *([] if image is None else [image])]
        return max((photo.shape[0] * photo.shape[1] for photo in photos), default=0)


def plan(request: ImageRequest, card: ModelCard, inputs: Inputs | None = None) -> Plan:
    """The plan of a request with these photos (None: as if it had none). Raises InvalidRequest(field="size")
    when the model cannot make the size and no finishing follows."""
    inputs = inputs or Inputs()
    steps = request.steps or card.steps
    size = _finished_size(request, card, inputs.shape)
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
    resolved = replace(
        request.seeded().with_photos(Photo.without_data), width=size[0], height=size[1], steps=steps
    )
    if inputs.image is not None:
        strength = DEFAULT_STRENGTH if request.strength is None else request.strength
        resolved = replace(resolved, strength=strength)
        warnings += _changed_shape(inputs.image, generated, request.fit)
        inputs = replace(inputs, image=fit_start(inputs.image, *generated, request.fit))
    return Plan(resolved, card, *generated, steps, warnings, inputs)


def _finished_size(
    request: ImageRequest, card: ModelCard, shape: tuple[int, int] | None = None
) -> tuple[int, int]:
    recipe = request.recipe
    asked = (request.width, request.height)
    wanted = (recipe.width, recipe.height) if recipe is not None else (None, None)
    if asked != (None, None) and wanted != (None, None) and asked != wanted:
        raise InvalidRequest(
            "the request and its recipe ask for different sizes", field="size", hint="give one of them"
        )
    width, height = asked if asked != (None, None) else wanted
    if width is not None and height is not None:
        return width, height
    if shape is None:
        return card.width, card.height
    if card.sizes is not None:
        return _closest_size(shape, card)
    own_area = math.sqrt(card.width * card.height / (shape[0] * shape[1]))
    return _on_grid(shape, max(own_area, MIN_SIDE / min(shape)), card)


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
    return _on_grid(size, scale, card)


def _on_grid(size: tuple[int, int], scale: float, card: ModelCard) -> tuple[int, int]:
    width, height = (max(card.multiple, round(side * scale / card.multiple) * card.multiple) for side in size)
    return width, height


def _changed_shape(image: Pixels, size: tuple[int, int], fit: Fit) -> tuple[str, ...]:
    """What `fit` did to a photo of another shape; a token's width is nothing to speak of."""
    height, width = image.shape[:2]
    if abs(math.log(width / height * size[1] / size[0])) < SHAPES_ALIKE:
        return ()
    done = {"pad": "padded", "crop": "cropped", "stretch": "stretched"}[fit]
    return (f"the photo of {width}x{height} pixels was {done} to the shape of {size[0]}x{size[1]}",)


def _sizes(card: ModelCard) -> str:
    if card.sizes is None:
        return f"take multiples of {card.multiple}, or leave finishing on to get any size"
    return "it makes " + ", ".join(f"{w}x{h}" for w, h in card.sizes) + "; leave finishing on to get any size"
