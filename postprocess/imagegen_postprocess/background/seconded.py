"""A plain sheet and the network that is told it: what is product, what backdrop, what shadow or scenery.

The network decides what is product. Until it was told how far each pixel is from the sheet, rules did that
for it (a patch of the sheet's colour is a gap, what differs is product); now they only spoil its answer
(docs/decisions/037-told-the-sheet.md). The sheet tells shadows from the rest, and whether other things lie
about.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from imagegen_postprocess.background.morphology import filled, grow, shrink, touching
from imagegen_postprocess.background.regions import Regions, certain_backdrop, outline_support
from imagegen_postprocess.background.shadow import shadow_hued
from imagegen_postprocess.background.sheet import Sheet
from imagegen_postprocess.subject import Mask, Plane

CERTAIN = 0.985  # mean of the first network's answer from which a patch is product
PALE = 1.5  # of the tolerance: what differs by less has the sheet's own colour
SMALLEST_PATCH = 6  # pixels
HALF_COVERED = 0.5  # of the strongest difference nearby: from here on a pixel is more product than sheet
SURROUNDED = 0.45  # share of its outline against the product, from which a part is no scenery
UNSEEN = 0.08  # mean of the network's answer below which it saw nothing there at all
# Of the steepness of the product's own outline: what is softer lies behind it. At 0.7 a plant behind a stool
# came along whole.
IN_FOCUS = 0.9


@dataclass(frozen=True)
class Seconded:
    """regions: the division. refused: things that differ from the sheet but are no product, as a share of the
    product."""

    regions: Regions
    refused: float


def scenery(sheet: Sheet, answer: Plane) -> float:
    """Things that differ from the sheet but are no product, as a share of what the network took for product.

    sheet, answer: as for `second`.
    """
    return _scenery(
        sheet.distance, sheet.tolerance, shadow_hued(sheet.dimming), _enlarged(answer, sheet.distance)
    )


def second(sheet: Sheet, answer: Plane) -> Seconded:
    """sheet: of the picture. answer: the coverage that the network before sheets sees in the same picture,
    float32 [h, w] in 0..1."""
    distance, tolerance = sheet.distance, sheet.tolerance
    seen = _enlarged(answer, distance)
    product, shade = seen > 0.5, shadow_hued(sheet.dimming)
    certain = certain_backdrop(distance, tolerance)
    # Right under a product a shadow may be black; cut away as no shadow it left a white gap under soles.
    black = shadow_hued(sheet.dimming, darkest=1.0)
    beside = touching(~(product | certain) & black, grow(product, 3))
    closed = filled(product)
    holes = cv2.connectedComponents((closed & ~product).astype(np.uint8), connectivity=4)[0] - 1
    support = outline_support(distance, product, tolerance)
    return Seconded(
        Regions(product, ~(product | beside), ~closed, holes, support),
        _scenery(distance, tolerance, shade, seen),
    )


def with_certain_patches(near: Plane, first: Plane, sheet: Sheet) -> Plane:
    """The closer look, float32 [h, w], but for parts that it opened and the first look was certain of.

    The first network knows a watch with a pale dial from the gap in a frame. What has the sheet's own colour
    is left open all the same: of gaps in racks and frames it knows nothing. first: its answer about the same
    part of the picture, float32 of any size.
    """
    product = near > 0.5
    open_ = filled(product) & ~product
    if not open_.any():
        return near
    known = _enlarged(first, near)
    unlike = _enlarged(sheet.distance, near) > PALE * sheet.tolerance
    count, labels = cv2.connectedComponents(open_.astype(np.uint8), connectivity=4)
    areas = np.maximum(np.bincount(labels.ravel(), None, count), 1)
    sure, apart = (np.bincount(labels.ravel(), plane.ravel(), count) / areas for plane in (known, unlike))
    kept = (sure >= CERTAIN) & (apart > 0.5)
    kept[0] = False
    return np.where(kept[labels], np.maximum(near, known), near).astype(np.float32)


def _enlarged(answer: Plane, like: Plane) -> Plane:
    height, width = like.shape
    return np.asarray(cv2.resize(answer, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _scenery(distance: Plane, tolerance: float, shade: Mask, seen: Plane) -> float:
    """What the network left out and is neither sheet nor shadow nor a part of the product, as a share of it.

    That is what leaves the picture, or is less sharp than the product, and is wholly unseen by the network.
    """
    product = seen > 0.5
    peak = np.asarray(cv2.dilate(distance, np.ones((5, 5), np.uint8)), np.float32)
    differs = (distance > 2 * tolerance + 3) & (distance >= HALF_COVERED * peak)
    other = differs & ~product & ~shade
    count, labels, stats, _ = cv2.connectedComponentsWithStats(other.astype(np.uint8), connectivity=4)
    labels, areas = np.asarray(labels), np.asarray(stats)[:, cv2.CC_STAT_AREA]
    sharp = _sharpness(distance, peak)
    edge = product & ~shrink(product, 2)
    own = float(np.median(sharp[edge])) if edge.any() else 0.0
    around = ~grow(product, 2)
    refused = 0
    for index in range(1, count):
        if areas[index] < SMALLEST_PATCH:
            continue
        left, top, width, height = (int(value) for value in np.asarray(stats)[index][:4])
        part = np.s_[top : top + height, left : left + width]
        region = labels[part] == index
        unseen = float(seen[part][region].mean()) < UNSEEN
        leaves = left == 0 or top == 0 or left + width == other.shape[1] or top + height == other.shape[0]
        rim = region & ~shrink(np.pad(region, 1), 1)[1:-1, 1:-1] & around[part]
        blurred = rim.sum() > 4 and float(np.median(sharp[part][rim])) < IN_FOCUS * own
        ring = grow(np.pad(region, 1), 1) & ~np.pad(region, 1)
        held = ring & np.pad(product[part], 1, mode="edge")
        surrounded = held.sum() >= SURROUNDED * ring.sum()
        if unseen and not surrounded and (leaves or blurred):
            refused += int(areas[index])
    return refused / max(1.0, float(product.sum()))


def _sharpness(distance: Plane, peak: Plane) -> Plane:
    """Steepest step near each pixel, as a share of the difference that it leads up to."""
    across = np.asarray(cv2.Sobel(distance, cv2.CV_32F, 1, 0, scale=1 / 8), np.float32)
    down = np.asarray(cv2.Sobel(distance, cv2.CV_32F, 0, 1, scale=1 / 8), np.float32)
    steepest = np.asarray(cv2.dilate(np.hypot(across, down), np.ones((3, 3), np.uint8)), np.float32)
    return np.asarray(steepest / np.maximum(peak, np.float32(1)), np.float32)
