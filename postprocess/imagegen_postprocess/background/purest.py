"""The product's purest difference from the backdrop near each pixel."""

from __future__ import annotations

import cv2
import numpy as np

from imagegen_postprocess.subject import Mask, Plane


def purest_difference(difference: Plane, product: Mask, radius: int) -> Plane:
    """How the product itself differs from the backdrop around each pixel, [H, W, 3], in any colour space.

    Neighbours within `radius` weigh by how unlike the backdrop they are: the most unlike are the purest
    product. This also serves straps too thin to have an inside.
    """
    size = (2 * radius + 1, 2 * radius + 1)
    strength = np.sqrt(dot(difference, difference)) * product
    peak = np.asarray(cv2.dilate(strength, np.ones(size, np.uint8)), np.float32)
    weight = (strength / np.maximum(peak, np.float32(1e-6))) ** 3 + np.float32(1e-9)
    total = np.asarray(cv2.boxFilter(weight, -1, size, normalize=False), np.float32)
    summed = np.asarray(cv2.boxFilter(difference * weight[..., None], -1, size, normalize=False), np.float32)
    return summed / total[..., None]


def dot(one: Plane, other: Plane) -> Plane:
    """Inner product of the three channels: [H, W, 3] twice -> [H, W]."""
    return np.asarray(np.einsum("ijk,ijk->ij", one, other), np.float32)
