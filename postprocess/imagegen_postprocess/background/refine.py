"""From a network's coarse answer to an alpha at full size: the picture itself says where the edge runs.

A guided filter (He, Sun, Tang, "Guided image filtering", PAMI 2013; found on a reduced picture and applied at
full size, as in their "Fast guided filter", 2015) turns the coarse answer into local lines from colour to
coverage.
"""

from __future__ import annotations

import cv2
import numpy as np

from imagegen_postprocess.background.morphology import grow
from imagegen_postprocess.planes import Planes, dot, planes_of
from imagegen_postprocess.subject import Pixels, Plane

GUIDE_SIDE = 320  # longer side of the picture on which the lines are found: the network's own resolution
RADIUS = 3  # pixels of that picture
SMOOTH = 1e-3  # a variance of its colours (0..1) below this is no edge
HAZE = 0.15  # coverage at either end that the filter's blur leaves where nothing is mixed
BAND = 3  # pixels of the guide around the undecided ones where the filter may speak
SURE = 0.05  # an answer this near 0 or 1 is certain


def refine(pixels: Pixels, answer: Plane, guide_side: int = GUIDE_SIDE) -> Plane:
    """pixels: uint8 sRGB [H, W, 3]. answer: float32 [h, w] in 0..1. Returns alpha, float32 [H, W].

    guide_side: longer side of the picture on which the lines are found.
    """
    height, width = pixels.shape[:2]
    zoom = min(1.0, guide_side / max(height, width))
    size = max(1, round(width * zoom)), max(1, round(height * zoom))
    reduced = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    guide = planes_of(reduced / np.float32(255))
    coarse = np.asarray(cv2.resize(answer, size, interpolation=cv2.INTER_LINEAR), np.float32)
    slope, offset = guided_filter(guide, coarse)
    # Twice, the second time finer: the outline that the first pass has moved is the better target.
    drawn = _without_haze(dot(slope, guide) + offset)
    slope, offset = guided_filter(guide, drawn, RADIUS - 1)
    # Away from the outline the answer stands, so that no texture of the product becomes transparent.
    product = coarse > 0.5
    edge = grow(product, 1) & grow(~product, 1)
    band = grow(((coarse > SURE) & (coarse < 1 - SURE)) | edge, BAND)
    red, green, blue, offset = (
        np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        for plane in (*(np.where(band, plane, 0) for plane in slope), np.where(band, offset, product))
    )
    return _without_haze(dot((red, green, blue), planes_of(pixels)) / np.float32(255) + offset)


def _without_haze(alpha: Plane) -> Plane:
    return np.asarray(np.clip((alpha - HAZE) / (1 - 2 * HAZE), 0, 1), np.float32)


def guided_filter(guide: Planes, target: Plane, radius: int = RADIUS) -> tuple[Planes, Plane]:
    """slope and offset of the local lines from the guide's colours to the target.

    guide: in 0..1. target: [H, W].
    """
    side = (2 * radius + 1, 2 * radius + 1)

    def mean(plane: Plane) -> Plane:
        return np.asarray(cv2.blur(plane, side), np.float32)

    red, green, blue = guide
    r, g, b = mean(red), mean(green), mean(blue)
    value = mean(target)
    x, y, z = (
        mean(red * target) - r * value,
        mean(green * target) - g * value,
        mean(blue * target) - b * value,
    )
    rr, gg, bb = (
        mean(red * red) - r * r + SMOOTH,
        mean(green * green) - g * g + SMOOTH,
        mean(blue * blue) - b * b + SMOOTH,
    )
    rg, rb, gb = mean(red * green) - r * g, mean(red * blue) - r * b, mean(green * blue) - g * b
    # Inverse of a symmetric 3x3 matrix by its cofactors.
    m11, m12, m13 = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    m22, m23, m33 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    determinant = np.maximum(rr * m11 + rg * m12 + rb * m13, np.float32(1e-12))
    slope = (
        (m11 * x + m12 * y + m13 * z) / determinant,
        (m12 * x + m22 * y + m23 * z) / determinant,
        (m13 * x + m23 * y + m33 * z) / determinant,
    )
    offset = value - dot(slope, (r, g, b))
    return (mean(slope[0]), mean(slope[1]), mean(slope[2])), mean(offset)
