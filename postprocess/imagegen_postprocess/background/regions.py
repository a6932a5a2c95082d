"""Which pixels are product, backdrop or shadow: the coarse map that the soft alpha is drawn from.

Everything here works on a reduced picture of at most a few hundred pixels a side.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from imagegen_postprocess.background.backdrop import Backdrop
from imagegen_postprocess.background.grab_cut import grab_cut
from imagegen_postprocess.background.holes import find_holes
from imagegen_postprocess.background.morphology import filled, flood, grow, shrink, touching
from imagegen_postprocess.background.shadow import Dimming, shadow_coloured
from imagegen_postprocess.subject import Mask, Plane

COLOURFUL = 10.0  # Lab chroma from which a backdrop's hue tells its shadow from a grey part of the product
CLIPPED = 98.5  # L* from which a white backdrop may have lost its shading
CAUTIOUS_BRUSH = 0.015  # of the longer side
SPECK_RIM = 0.03  # of the shorter side


@dataclass(frozen=True)
class Regions:
    """Boolean masks [H, W].

    product: surely or probably product. backdrop: certainly backdrop, outside or seen through a hole; what is
    neither is shadow or reflection. outside: all that is not product and reaches the border.
    holes: number of see-through holes. support: share of the product's outline where colours really change.
    """

    product: Mask
    backdrop: Mask
    outside: Mask
    holes: int
    support: float


def certain_backdrop(distance: Plane, tolerance: float, radius: int = 2) -> Mask:
    """Pixels within `tolerance` Delta E of the backdrop that reach the border by wide gaps (2 * radius)."""
    calm = np.asarray(cv2.GaussianBlur(distance, (0, 0), 0.8))
    return flood((calm < tolerance) & (distance < 2 * tolerance), radius)


def divide(lab: Plane, backdrop: Backdrop, distance: Plane, dimming: Dimming, tolerance: float) -> Regions:
    """Divide a reduced picture, Lab [H, W, 3], into product, backdrop and the rest.

    distance, dimming: of that picture from the backdrop. tolerance: Delta E that is explained by the
    backdrop's own noise.
    """
    certain = certain_backdrop(distance, tolerance)
    strong = distance > 2 * tolerance + 3
    dimmed = shadow_coloured(lab, dimming, strong)
    shadow = flood(certain | dimmed, 1) & dimmed & ~certain
    product = grab_cut(lab, backdrop, certain, strong & ~shadow, shadow)
    whole = filled(_without_specks(product, distance, tolerance))
    if backdrop.chroma > COLOURFUL:  # then a hole may lie in shadow
        seen_through = np.where(dimmed, 0, distance).astype(np.float32)
    else:
        seen_through = distance
    holes, count = find_holes(seen_through, whole, tolerance, clipped=backdrop.lightness > CLIPPED)
    product = whole & ~holes
    # A shadow or a reflection begins at the product; what else is neither product nor backdrop is dust.
    beside = touching(~(product | certain | holes), grow(product, 3))
    return Regions(product, ~(product | beside), ~whole, count, outline_support(distance, product, tolerance))


def everything_but(distance: Plane, tolerance: float) -> Regions:
    """The cautious division: only what is certainly backdrop is backdrop, all else is kept as product.

    A broad brush keeps the flood from entering a white shoe through the gaps of its faint outline.
    """
    certain = certain_backdrop(distance, tolerance, max(3, round(CAUTIOUS_BRUSH * max(distance.shape))))
    product = filled(_without_specks(~certain, distance, tolerance))
    return Regions(product, ~product, ~product, 0, outline_support(distance, product, tolerance))


def _without_specks(product: Mask, distance: Plane, tolerance: float) -> Mask:
    """Drop tiny islands that are faint (noise, dust) or lie at the border (a decoder's corner pixels).

    Tiny ones that are strong are kept: a chain, a stud.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(product.astype(np.uint8), connectivity=8)
    if count <= 2:
        return product
    labels, area = np.asarray(labels), np.asarray(stats)[:, cv2.CC_STAT_AREA]
    strong, inside = np.zeros(count, bool), np.ones(count, bool)
    strong[labels[distance > 3 * tolerance + 12]] = True
    rim = max(2, round(SPECK_RIM * min(product.shape)))
    for edge in (labels[:rim], labels[-rim:], labels[:, :rim], labels[:, -rim:]):
        inside[edge] = False
    keep = (area >= 0.02 * area[1:].max()) | (strong & inside & (area >= 6))
    keep[0] = False
    return np.asarray(keep[labels])


def outline_support(distance: Plane, product: Mask, tolerance: float) -> float:
    """Share of the product's outline beside which some product pixel clearly differs from the backdrop."""
    outline = product & ~shrink(product, 1)
    if not outline.any():
        return 0.0
    strongest = np.asarray(cv2.dilate(distance * product, np.ones((7, 7), np.uint8)))
    return float((strongest[outline] > 2 * tolerance + 4).mean())
