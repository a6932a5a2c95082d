"""From a network's coarse answer to an alpha at full size: the picture itself says where the edge runs.

A guided filter (He, Sun, Tang, "Guided image filtering", PAMI 2013; found on a reduced picture and applied at
full size, as in their "Fast guided filter", 2015) turns the coarse answer into local lines from colour to
coverage.
"""

from __future__ import annotations

import cv2
import numpy as np

from imagegen_postprocess.background.morphology import grow
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
    guide = np.asarray(reduced / np.float32(255), np.float32)
    coarse = np.asarray(cv2.resize(answer, size, interpolation=cv2.INTER_LINEAR), np.float32)
    slope, offset = guided_filter(guide, coarse)
    # Twice, the second time finer: the outline that the first pass has moved is the better target.
    drawn = _without_haze(_dot(slope, guide) + offset)
    slope, offset = guided_filter(guide, drawn, RADIUS - 1)
    # Away from the outline the answer stands, so that no texture of the product becomes transparent.
    product = coarse > 0.5
    edge = grow(product, 1) & grow(~product, 1)
    band = grow(((coarse > SURE) & (coarse < 1 - SURE)) | edge, BAND)
    slope[~band], offset[~band] = 0, product[~band]
    slope = np.asarray(cv2.resize(slope, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    offset = np.asarray(cv2.resize(offset, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return _without_haze(_dot(slope, pixels.astype(np.float32)) / np.float32(255) + offset)


def _without_haze(alpha: Plane) -> Plane:
    return np.asarray(np.clip((alpha - HAZE) / (1 - 2 * HAZE), 0, 1), np.float32)


def guided_filter(guide: Plane, target: Plane, radius: int = RADIUS) -> tuple[Plane, Plane]:
    """slope [H, W, 3] and offset [H, W] of the local lines from the guide's colours to the target.

    guide: [H, W, 3] in 0..1. target: [H, W].
    """
    side = (2 * radius + 1, 2 * radius + 1)

    def mean(plane: Plane) -> Plane:
        return np.asarray(cv2.blur(plane, side), np.float32)

    colour, value = mean(guide), mean(target)
    together = mean(guide * target[..., None]) - colour * value[..., None]
    pairs = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    products = np.stack([guide[..., i] * guide[..., j] for i, j in pairs], axis=-1)
    expected = np.stack([colour[..., i] * colour[..., j] for i, j in pairs], axis=-1)
    # cv2 blurs at most four channels at once.
    moments = np.concatenate([mean(products[..., :3]), mean(products[..., 3:])], axis=-1) - expected
    rr, rg, rb, gg, gb, bb = (moments[..., k] for k in range(6))
    rr, gg, bb = rr + SMOOTH, gg + SMOOTH, bb + SMOOTH
    # Inverse of a symmetric 3x3 matrix by its cofactors.
    a, b, c = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    d, e, f = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    determinant = np.maximum(rr * a + rg * b + rb * c, np.float32(1e-12))
    x, y, z = together[..., 0], together[..., 1], together[..., 2]
    slope = np.stack([a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z], axis=-1)
    slope /= determinant[..., None]
    offset = value - _dot(slope, colour)
    return mean(slope), mean(offset)


def _dot(one: Plane, other: Plane) -> Plane:
    """Inner product of the three channels: [H, W, 3] twice -> [H, W]."""
    return np.asarray(np.einsum("ijk,ijk->ij", one, other), np.float32)
