"""Drawn products before a background that is not plain."""

from __future__ import annotations

import cv2
import numpy as np

from imagegen_postprocess.colour.linear import to_light, to_pixels
from imagegen_postprocess.subject import Pixels, Plane
from tests.imagegen_postprocess.drawn import Drawn


def before_a_texture(product: Drawn, seed: int = 3) -> tuple[Pixels, Plane]:
    """The product before a room out of focus: uint8 sRGB [S, S, 3] and its exact alpha [S, S]."""
    side = product.alpha.shape[0]
    generator = np.random.default_rng(seed)
    patches = generator.integers(40, 230, (6, 6, 3), np.uint8)
    room = cv2.resize(patches, (side, side), interpolation=cv2.INTER_CUBIC)
    behind = to_light(np.asarray(cv2.GaussianBlur(room, (0, 0), side / 60), np.uint8))
    alpha = product.alpha[..., None]
    return to_pixels(alpha * product.colour + (1 - alpha) * behind), product.alpha
