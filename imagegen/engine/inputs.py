"""The photos of a request as the model takes them: decoded, in sizes that its tokens divide.

References are scaled and cut as diffusers' Flux2KleinPipeline does it: to a megapixel at most, then the
middle of it.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagegen.errors import InvalidRequest
from imagegen.weights.catalog import ModelCard, list_models

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from imagegen.request import Fit, ImageRequest

    Pixels = NDArray[np.uint8]

REFERENCE_PIXELS = 1024 * 1024
_one_at_a_time = threading.Lock()  # a picture of 100 megapixels takes a gigabyte while it is taken in


@dataclass(frozen=True, slots=True)
class Inputs:
    """Pixels, uint8 RGB [H, W, 3]: `image` to start from as it came, `references` ready for the model."""

    image: Pixels | None = None
    references: tuple[Pixels, ...] = ()

    @property
    def shape(self) -> tuple[int, int] | None:
        """(width, height) of the photo that a picture without a size takes after."""
        first = self.image if self.image is not None else next(iter(self.references), None)
        return None if first is None else (first.shape[1], first.shape[0])


def read_inputs(request: ImageRequest, card: ModelCard, models_dir: Path | None = None) -> Inputs:
    """Raises InputFileInvalid naming the photo, and InvalidRequest for more than the model looks at; that
    says which of the models in `models_dir` look at any."""
    if not request.photos:
        return Inputs()
    if len(request.references) > card.references:
        raise _too_many(len(request.references), card, models_dir)
    with _one_at_a_time:
        image = None if request.image is None else request.image.pixels()
        references = [fit_reference(photo.pixels(), card.multiple) for photo in request.references]
    return Inputs(image, tuple(references))


def fit_reference(pixels: Pixels, multiple: int) -> Pixels:
    """The middle of a photo, at most a megapixel, both sides multiples of `multiple`."""
    height, width = pixels.shape[:2]
    if width * height > REFERENCE_PIXELS:
        scale = math.sqrt(REFERENCE_PIXELS / (width * height))
        width, height = int(width * scale), int(height * scale)
        pixels = _resized(pixels, width, height)
    return _middle(pixels, width // multiple * multiple, height // multiple * multiple)


def fit_start(pixels: Pixels, width: int, height: int, fit: Fit) -> Pixels:
    """A photo at the size that the model makes; `fit` is ImageRequest's."""
    import numpy as np

    if fit == "stretch":
        return _resized(pixels, width, height)
    scales = (width / pixels.shape[1], height / pixels.shape[0])
    scale = max(scales) if fit == "crop" else min(scales)
    near = [round(side * scale) for side in (pixels.shape[1], pixels.shape[0])]
    if fit == "crop":
        return _middle(_resized(pixels, max(width, near[0]), max(height, near[1])), width, height)
    whole = _resized(pixels, max(1, min(width, near[0])), max(1, min(height, near[1])))
    room = (height - whole.shape[0], width - whole.shape[1])
    border = [(space // 2, space - space // 2) for space in room]
    return np.pad(whole, (*border, (0, 0)), mode="edge")


def _middle(pixels: Pixels, width: int, height: int) -> Pixels:
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


def _resized(pixels: Pixels, width: int, height: int) -> Pixels:
    import numpy as np
    from PIL import Image

    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def _too_many(asked: int, card: ModelCard, models_dir: Path | None) -> InvalidRequest:
    if card.references:
        return InvalidRequest(
            f"{asked} photos are more than the {card.references} that {card.name} looks at",
            field="references",
        )
    able = [other.name for other in list_models(models_dir) if other.references]
    return InvalidRequest(
        f"{card.name} was never taught to look at photos",
        field="model",
        hint=f"{', '.join(able)} can" if able else "no installed model can; FLUX.2 [klein] checkpoints can",
    )
