"""A plain sheet and the network together: each says what the other cannot see.

The sheet's colour tells to the pixel what certainly differs and what is bare sheet, but not a white sole from
white paper, nor a shadow from something grey. The network tells product from shadow and from what lies about,
but not what a few pixels of its small picture hold: a cable, the gap under a handle.
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

BARE = 0.4  # of the tolerance: median difference of a patch from the sheet, below which it is sheet
# On 150 composites of training products every gap that the network had filled lay below 0.35, every white
# part of a product but one above 0.43.
CERTAIN = 0.985  # mean of the network's answer from which a patch is product: a dial as white as the paper
SMALLEST_PATCH = 6  # pixels
HALF_COVERED = 0.5  # of the strongest difference nearby: from here on a pixel is more product than sheet
ENCLOSED = (
    12.0  # Delta E that no shadow inside a product reaches: a picture in its frame, not the gap in a chair
)
SURROUNDED = 0.45  # share of its outline against the product, from which a part belongs to it
UNSEEN = 0.08  # mean of the network's answer below which it saw nothing there at all
# Of the steepness of the product's own outline: what is softer lies behind it. At 0.7 a plant behind a stool
# came along whole.
IN_FOCUS = 0.9


@dataclass(frozen=True)
class Seconded:
    """regions: the division. added: share of the product that only the sheet's colour tells. refused: things
    that differ from the sheet but are no product, as a share of the product."""

    regions: Regions
    added: float
    refused: float


def second(sheet: Sheet, answer: Plane) -> Seconded:
    """sheet: of the picture. answer: the network's coverage, float32 [h, w] in 0..1, of the same picture."""
    distance, tolerance = sheet.backdrop.distance(sheet.lab), sheet.tolerance
    height, width = distance.shape
    seen = np.asarray(cv2.resize(answer, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    product = seen > 0.5
    bare = _bare(product & (distance < tolerance), seen, distance, tolerance)
    shade = shadow_hued(sheet.small, sheet.backdrop)
    peak = np.asarray(cv2.dilate(distance, np.ones((5, 5), np.uint8)), np.float32)
    other = ~product & ~shade & (distance > 2 * tolerance + 3) & (distance >= HALF_COVERED * peak)
    added, refused = _sorted_out(other, product, seen, distance, peak)
    whole = (product & ~bare) | added
    # What the product encloses is sheet, bare or shaded, or the product's own.
    whole |= filled(whole) & ~bare & (distance > ENCLOSED)
    certain = certain_backdrop(distance, tolerance)
    beside = touching(~(whole | certain | bare) & shade, grow(whole, 3))
    closed = filled(whole)
    holes = cv2.connectedComponents((closed & ~whole).astype(np.uint8), connectivity=4)[0] - 1
    size = max(1.0, float(whole.sum()))
    return Seconded(
        Regions(whole, ~(whole | beside), ~closed, holes, outline_support(distance, whole, tolerance)),
        float(added.sum()) / size,
        float(refused.sum()) / size,
    )


def _bare(candidates: Mask, seen: Plane, distance: Plane, tolerance: float) -> Mask:
    """The patches of sheet within or beside the product; never what the network is sure of."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(candidates.astype(np.uint8), connectivity=4)
    labels = np.asarray(labels)
    chosen = np.zeros(count, bool)
    for index in range(1, count):
        left, top, width, height, area = (int(value) for value in np.asarray(stats)[index])
        if area < SMALLEST_PATCH:
            continue
        part = np.s_[top : top + height, left : left + width]
        patch = labels[part] == index
        like_sheet = float(np.median(distance[part][patch])) < BARE * tolerance
        chosen[index] = like_sheet and float(seen[part][patch].mean()) < CERTAIN
    return np.asarray(chosen[labels])


def _sorted_out(other: Mask, product: Mask, seen: Plane, distance: Plane, peak: Plane) -> tuple[Mask, Mask]:
    """What the network left out, divided into product and scenery: what leaves the picture, or is less sharp
    than the product and wholly unseen by the network, is scenery."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(other.astype(np.uint8), connectivity=4)
    labels, areas = np.asarray(labels), np.asarray(stats)[:, cv2.CC_STAT_AREA]
    chosen, refused = np.zeros(count, bool), np.zeros(count, bool)
    sharp = _sharpness(distance, peak)
    edge = product & ~shrink(product, 2)
    own = float(np.median(sharp[edge])) if edge.any() else 0.0
    around = ~grow(product, 2)
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
        scenery = unseen and not surrounded and (leaves or blurred)
        chosen[index], refused[index] = not scenery, scenery
    return np.asarray(chosen[labels]), np.asarray(refused[labels])


def _sharpness(distance: Plane, peak: Plane) -> Plane:
    """Steepest step near each pixel, as a share of the difference that it leads up to."""
    across = np.asarray(cv2.Sobel(distance, cv2.CV_32F, 1, 0, scale=1 / 8), np.float32)
    down = np.asarray(cv2.Sobel(distance, cv2.CV_32F, 0, 1, scale=1 / 8), np.float32)
    steepest = np.asarray(cv2.dilate(np.hypot(across, down), np.ones((3, 3), np.uint8)), np.float32)
    return np.asarray(steepest / np.maximum(peak, np.float32(1)), np.float32)
