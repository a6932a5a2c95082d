"""Product colours freed of an unknown background, for alphas that come from elsewhere (a model, a mask)."""

from __future__ import annotations

import cv2
import numpy as np

from imagegen_postprocess.colour.linear import to_light, to_pixels
from imagegen_postprocess.subject import Pixels, Plane

RADIUS_SHARE = 0.02  # of the longer side: from how far away the pure colours of either side are fetched


def clean_colours(pixels: Pixels, alpha: Plane) -> Pixels:
    """Estimate the product's own colour F where 0 < alpha < 1.

    Fast foreground estimation by blur fusion (Forte, "Approximate fast foreground colour estimation", ICIP
    2021), in linear light: F and B are alpha-weighted blurs, then F takes up what the mix leaves unexplained.
    pixels: uint8 sRGB [H, W, 3]. alpha: float32 [H, W]. Returns uint8 sRGB; black where alpha is 0.
    """
    light = to_light(pixels)
    side = 2 * max(2, round(RADIUS_SHARE * max(alpha.shape))) + 1
    own = _weighted_blur(light, alpha, side)
    behind = _weighted_blur(light, 1 - alpha, side)
    share = alpha[..., None]
    own = np.clip(own + share * (light - share * own - (1 - share) * behind), 0, 1)
    cleaned = np.where(share < 1, to_pixels(own), pixels)
    cleaned[alpha == 0] = 0
    return cleaned


def _weighted_blur(light: Plane, weight: Plane, side: int) -> Plane:
    total = cv2.blur(weight, (side, side))
    return np.asarray(cv2.blur(light * weight[..., None], (side, side)) / np.maximum(total, 1e-5)[..., None])
