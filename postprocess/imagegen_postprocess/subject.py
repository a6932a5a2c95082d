"""The value that travels between the steps: a picture, and what is known of its product and backdrop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Subject:
    """A picture on its way through the steps. Arrays are never written to in place.

    pixels: uint8 [H, W, 3], sRGB. Where alpha is below 1 these are the product's own colours, freed of the
    backdrop. alpha: float32 [H, W] in 0..1, coverage of the product; None while nobody has cut it out.
    backdrop: linear-light RGB of the photographed background, each 0..1; None when it is not plain or
    unknown.
    """

    pixels: Pixels
    alpha: Plane | None = None
    backdrop: Rgb | None = None

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])
