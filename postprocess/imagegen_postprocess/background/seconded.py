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
# A narrow gap is mixed with its rims: its patch may differ more where the network is less sure of it.
NARROW_REACH, NARROW = 2.0, 1.2  # of the tolerance: most difference of its pixels, of its median
UNSURE = 0.8  # mean of the network's answer
SUSPECTED = 0.35  # the network's answer from which what differs is product, also in the colour of a shadow
EDGE = 1.4  # Delta E per pixel: an outline that runs where colours change less is none
WHOLE_PATCH = 30  # pixels of a patch of even colour, from which on it is filled
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


def scenery(sheet: Sheet, answer: Plane) -> float:
    """Things that differ from the sheet but are no product, as a share of what the network took for product.

    sheet, answer: as for `second`. Asked before it, because that fills patches: a shoe out of focus behind a
    box as dark as itself is one patch with it.
    """
    distance = sheet.backdrop.distance(sheet.lab)
    seen = _enlarged(answer, distance)
    product = seen > 0.5
    shade = shadow_hued(sheet.small, sheet.backdrop)
    differs, peak = _differing(distance, sheet.tolerance)
    _, refused = _sorted_out(differs & ~product & ~shade, product, seen, distance, peak)
    return float(refused.sum()) / max(1.0, float(product.sum()))


def second(sheet: Sheet, answer: Plane) -> Seconded:
    """sheet: of the picture. answer: the network's coverage, float32 [h, w] in 0..1, of the same picture."""
    distance, tolerance = sheet.backdrop.distance(sheet.lab), sheet.tolerance
    seen = _enlarged(answer, distance)
    product = _to_its_edges(seen > 0.5, seen, sheet)
    relative = distance / np.float32(tolerance)
    bare = _bare(product & (relative < 1), seen, relative, BARE, CERTAIN)
    bare |= _bare(product & (relative < NARROW_REACH), seen, relative, NARROW, UNSURE)
    shade = shadow_hued(sheet.small, sheet.backdrop)
    differs, peak = _differing(distance, tolerance)
    added, refused = _sorted_out(differs & ~product & ~shade, product, seen, distance, peak)
    added |= differs & ~product & (seen > SUSPECTED)
    whole = (product & ~bare) | added
    # What the product encloses is sheet, bare or shaded, or the product's own.
    whole |= filled(whole) & ~bare & (distance > ENCLOSED) & (~shade | (seen > SUSPECTED))
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


def with_certain_patches(near: Plane, first: Plane) -> Plane:
    """The closer look, float32 [h, w], but for what it opened and the first look was certain of.

    To the second network a dial as white as the paper is a gap: it was taught on cut-outs without them.
    first: the first network's answer about the same part of the picture, float32 of any size.
    """
    product = near > 0.5
    known = _enlarged(first, near)
    open_ = filled(product) & ~product
    count, labels = cv2.connectedComponents(open_.astype(np.uint8), connectivity=4)
    sums, areas = np.bincount(labels.ravel(), known.ravel(), count), np.bincount(labels.ravel(), None, count)
    certain = sums / np.maximum(areas, 1) >= CERTAIN
    certain[0] = False
    return np.where(certain[labels], np.maximum(near, known), near).astype(np.float32)


def _enlarged(answer: Plane, like: Plane) -> Plane:
    height, width = like.shape
    return np.asarray(cv2.resize(answer, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _differing(distance: Plane, tolerance: float) -> tuple[Mask, Plane]:
    """What certainly is no bare sheet, and the strongest difference near each pixel, Delta E."""
    peak = np.asarray(cv2.dilate(distance, np.ones((5, 5), np.uint8)), np.float32)
    return (distance > 2 * tolerance + 3) & (distance >= HALF_COVERED * peak), peak


def _to_its_edges(product: Mask, seen: Plane, sheet: Sheet) -> Mask:
    """The product with those patches of even colour filled of which the network took the greater part.

    A patch is bounded by edges. What reaches the border is the sheet and stays as it is: beside white parts
    on white no edge is seen.
    """
    calm = np.asarray(cv2.GaussianBlur(sheet.lab, (0, 0), 0.7), np.float32)
    across, down = (cv2.Sobel(calm, cv2.CV_32F, *way, scale=1 / 8) for way in ((1, 0), (0, 1)))
    steps = np.sqrt(np.einsum("ijk,ijk->ij", across, across) + np.einsum("ijk,ijk->ij", down, down))
    even = (steps < max(EDGE, 0.8 * sheet.backdrop.noise)).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(even, connectivity=4)
    labels, areas = np.asarray(labels), np.asarray(stats)[:, cv2.CC_STAT_AREA]
    sums = (np.bincount(labels.ravel(), plane.ravel(), count) for plane in (product.astype(np.float32), seen))
    taken, mean = (total / np.maximum(areas, 1) for total in sums)
    chosen = (areas >= WHOLE_PATCH) & (taken < 1) & (mean > 0.5)
    chosen[0] = False
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        chosen[edge] = False
    # Closed: the speckles of its texture belong to it.
    patches = cv2.morphologyEx(chosen[labels].astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return product | (np.asarray(patches) > 0)


def _bare(candidates: Mask, seen: Plane, relative: Plane, most: float, certain: float) -> Mask:
    """The patches of sheet within or beside the product.

    relative: distance as a share of the tolerance. most: median of it in a patch of sheet. certain: mean of
    the network's answer from which a patch is product all the same.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(candidates.astype(np.uint8), connectivity=4)
    labels = np.asarray(labels)
    chosen = np.zeros(count, bool)
    for index in range(1, count):
        left, top, width, height, area = (int(value) for value in np.asarray(stats)[index])
        if area < SMALLEST_PATCH:
            continue
        part = np.s_[top : top + height, left : left + width]
        patch = labels[part] == index
        like_sheet = float(np.median(relative[part][patch])) < most
        chosen[index] = like_sheet and float(seen[part][patch].mean()) < certain
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
