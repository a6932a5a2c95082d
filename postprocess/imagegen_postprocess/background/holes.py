"""See-through parts of a product: under a bag's handle, inside a strap, between the legs of a chair."""

from __future__ import annotations

import cv2
import numpy as np

from imagegen_postprocess.background.morphology import shrink
from imagegen_postprocess.subject import Mask, Plane

RIM = 10.0  # Delta E: the mixed pixels around a hole
MAX_SHADING = 2.0  # pixels of shading per pixel of rim
SMALLEST = 0.0008  # of the product


def find_holes(distance: Plane, product: Mask, tolerance: float, clipped: bool) -> tuple[Mask, int]:
    """Holes in a filled product, as a mask and their number: flat, and coloured like the backdrop.

    distance: Delta E to the backdrop. tolerance: what the backdrop's noise explains. clipped: the backdrop is
    so white that it lost its shading; a white dial or sole then looks the same in its middle, but shades off
    towards its edges, while a hole stays backdrop up to its rim. At 3.0 instead of 2.0 pixels of shading, two
    of 64 white products got a hole; at 1.5, three of 48 bags kept white under the handle.
    """
    like = product & (np.asarray(cv2.GaussianBlur(distance, (0, 0), 0.8)) < 3 * tolerance)
    pale = product & (distance < RIM)
    rim = pale & ~shrink(pale, 1)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(pale.astype(np.uint8), connectivity=4)
    smallest = max(12.0, SMALLEST * float(product.sum()))
    holes = np.zeros(product.shape, bool)
    found = 0
    for index in range(1, count):
        left, top, width, height, area = (int(value) for value in np.asarray(stats)[index])
        if area < smallest:
            continue
        part = np.s_[top : top + height, left : left + width]
        region = np.asarray(labels)[part] == index
        core = region & like[part]
        if core.sum() < smallest or not shrink(np.pad(core, 1), 1).any():
            continue  # too small, or a mere line along an edge
        if np.median(distance[part][core]) > 0.75 * tolerance:
            continue
        shading = (region & ~core).sum() / max(1, (region & rim[part]).sum())
        if clipped and shading > MAX_SHADING:
            continue
        holes[part] |= core
        found += 1
    return holes, found
