"""Which pixels are product, backdrop, shadow or unknown: the coarse map that the soft alpha is drawn from.

Everything here works on a reduced picture of at most a few hundred pixels a side.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from imagegen_postprocess.background.backdrop import Backdrop
from imagegen_postprocess.colour.linear import to_light
from imagegen_postprocess.subject import Mask, Pixels, Plane

GRABCUT_ROUNDS = 2
GRABCUT_SEED = 20_261
# A shadow keeps the backdrop's hue: its three channels lose nearly the same share of light.
SHADOW_MAX_LOSS = 0.55
SHADOW_MAX_SPREAD = 0.07
SHADOW_MAX_STEP = 3.5  # Delta L per pixel; a product's edge is steeper


@dataclass(frozen=True)
class Regions:
    """Boolean masks [H, W]. product: surely or probably product. backdrop: certainly backdrop, outside or seen through
    a hole. The rest is shadow or reflection on the backdrop.

    holes: number of see-through holes. support: share of the product's outline where the colours really change.
    """

    product: Mask
    backdrop: Mask
    holes: int
    support: float


def certain_backdrop(distance: Plane, tolerance: float) -> Mask:
    """Pixels within `tolerance` Delta E of the backdrop that reach the border through gaps wider than four pixels."""
    calm = cv2.GaussianBlur(distance, (0, 0), 0.8)
    return _flood((calm < tolerance) & (distance < 2 * tolerance), 2)


def divide(pixels: Pixels, lab: Plane, backdrop: Backdrop, tolerance: float) -> Regions:
    """Divide a reduced picture (uint8 sRGB [H, W, 3] and its Lab) into product, backdrop and the rest.

    tolerance: Delta E that is explained by the backdrop's own noise.
    """
    distance = backdrop.distance(lab)
    outside = certain_backdrop(distance, tolerance)
    shadow = _shadow(pixels, lab, backdrop, outside)
    strong = (distance > 3 * tolerance + 4) & ~shadow
    product = _grab_cut(lab, backdrop, outside, strong, shadow)
    product = _without_specks(product, distance, tolerance)
    product = _filled(product)
    holes, count = _holes(distance, product, outside, tolerance)
    product &= ~holes
    return Regions(product, outside & ~product | holes, count, _support(distance, product, tolerance))


def everything_but(distance: Plane, tolerance: float) -> Regions:
    """The cautious division: only what is certainly backdrop is backdrop, all else is kept as product."""
    outside = certain_backdrop(distance, tolerance)
    product = _filled(~outside)
    return Regions(product, ~product, 0, _support(distance, product, tolerance))


def _shadow(pixels: Pixels, lab: Plane, backdrop: Backdrop, outside: Mask) -> Mask:
    """Soft shadows: the backdrop's hue, darker, without edges, and connected to the backdrop."""
    surface = np.clip(cv2.cvtColor(backdrop.surface, cv2.COLOR_Lab2RGB), 0.004, 1.0)
    behind = np.maximum(to_light(np.rint(surface * 255).astype(np.uint8)), 0.003)
    share = cv2.GaussianBlur(to_light(pixels), (0, 0), 1.0) / behind
    loss, spread = 1 - share.mean(axis=2), share.max(axis=2) - share.min(axis=2)
    lightness = cv2.GaussianBlur(np.ascontiguousarray(lab[..., 0]), (0, 0), 0.8)
    step = np.hypot(cv2.Sobel(lightness, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(lightness, cv2.CV_32F, 0, 1, scale=1 / 8))
    like = (loss > -0.02) & (loss < SHADOW_MAX_LOSS) & (spread < SHADOW_MAX_SPREAD) & (step < SHADOW_MAX_STEP)
    return _flood(outside | like, 1) & like & ~outside


def _grab_cut(lab: Plane, backdrop: Backdrop, outside: Mask, strong: Mask, shadow: Mask) -> Mask:
    """Let GrabCut (Rother, Kolmogorov, Blake 2004) decide between certain backdrop and strong evidence of product."""
    trimap = np.full(outside.shape, cv2.GC_PR_FGD, np.uint8)
    trimap[shadow] = cv2.GC_PR_BGD
    trimap[strong] = cv2.GC_FGD
    trimap[outside] = cv2.GC_BGD
    unknown = (trimap == cv2.GC_PR_FGD) | (trimap == cv2.GC_PR_BGD)
    if not strong.any() or not outside.any() or not unknown.any():
        return strong | (trimap == cv2.GC_PR_FGD)
    # Differences from the backdrop instead of colours flatten uneven light; the logarithm lets three Delta E of a white
    # shoe on white count beside sixty of a black one.
    residual = lab - backdrop.surface
    stretched = np.sign(residual) * np.log1p(np.abs(residual) / 2) * 30 + 128
    image = np.clip(np.rint(stretched), 0, 255).astype(np.uint8)
    cv2.setRNGSeed(GRABCUT_SEED)  # the mixtures start from k-means, which draws random centres
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(image, trimap, None, *models, GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.asarray((trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD))


def _without_specks(product: Mask, distance: Plane, tolerance: float) -> Mask:
    """Drop tiny islands that are faint (noise, dust), keep tiny islands that are strong (a chain, a stud)."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(product.astype(np.uint8), connectivity=8)
    if count <= 2:
        return product
    peak = np.zeros(count, np.float32)
    np.maximum.at(peak, labels.ravel(), distance.ravel())
    area = stats[:, cv2.CC_STAT_AREA]
    keep = (area >= 0.02 * area[1:].max()) | ((peak > 3 * tolerance + 12) & (area >= 6))
    keep[0] = False
    return np.asarray(keep[labels])


def _filled(product: Mask) -> Mask:
    """The product with everything it encloses."""
    return ~_touching_border(~product)


def _holes(distance: Plane, product: Mask, outside: Mask, tolerance: float) -> tuple[Mask, int]:
    """See-through parts of the product (under a bag's handle, inside a strap).

    A hole shows the backdrop itself: its mean is the backdrop's and it is as flat as the backdrop. A white dial is
    neither, or it is surrounded by a thick product, while a hole has a thin wall to the outside somewhere.
    """
    like = (product & (cv2.GaussianBlur(distance, (0, 0), 0.8) < tolerance)).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(like, connectivity=4)
    holes = np.zeros(product.shape, bool)
    reach = cv2.distanceTransform((~outside).astype(np.uint8), cv2.DIST_L2, 3)
    extent = float(np.sqrt(product.sum()))
    found = 0
    for index in range(1, count):
        if stats[index, cv2.CC_STAT_AREA] < max(12, 0.0008 * product.sum()):
            continue
        region = labels == index
        rim = cv2.dilate(region.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~region
        thin = float((reach[rim] < 0.12 * extent).mean())
        flat = float(np.percentile(distance[region], 90)) < 0.75 * tolerance
        if flat and thin > 0.3:
            holes |= region
            found += 1
    return holes, found


def _support(distance: Plane, product: Mask, tolerance: float) -> float:
    """Share of the product's outline beside which some pixel clearly differs from the backdrop."""
    kernel = np.ones((3, 3), np.uint8)
    solid = product.astype(np.uint8)
    outline = product & ~cv2.erode(solid, kernel).astype(bool)
    if not outline.any():
        return 0.0
    strongest = cv2.dilate(distance * solid, np.ones((7, 7), np.uint8))
    return float((strongest[outline] > 2 * tolerance + 4).mean())


def _flood(open_: Mask, radius: int) -> Mask:
    """The part of a mask that reaches the border when walked with a brush of the given radius in pixels."""
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    pad = radius + 1
    padded = np.pad(open_, pad, constant_values=True).astype(np.uint8)
    walked = _touching_border(cv2.erode(padded, brush, borderValue=1).astype(bool))
    painted = cv2.dilate(walked.astype(np.uint8), brush).astype(bool)
    return painted[pad:-pad, pad:-pad] & open_


def _touching_border(mask: Mask) -> Mask:
    """The connected parts (4-neighbours) of a mask that contain a border pixel."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.isin(labels, np.unique(border[border > 0]))
