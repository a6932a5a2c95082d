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
SHADOW_MAX_STEP = 700.0  # Delta L per longer side of the picture; a product's edge is steeper
HEART_DEPTH = 0.03  # of the longer side: how far inside its outline a product is surely not shadow
OWN_SHADOW_COLOUR = 0.1  # share of that inside that may have a shadow's colour
COLOURFUL = 10.0  # Lab chroma from which a backdrop's hue tells its shadow from a grey part of the product
CLIPPED = 98.5  # L* from which a white backdrop may have lost its shading
CLOSING_SHARE = 0.02  # of the longer side: gaps in a product's outline that are bridged
CAUTIOUS_BRUSH = 0.015  # of the longer side
HOLE_RIM = 10.0  # Delta E: the mixed pixels around a hole
HOLE_MAX_SHADING = 1.5  # pixels of shading per pixel of rim


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


def certain_backdrop(distance: Plane, tolerance: float, brush: int = 2) -> Mask:
    """Pixels within `tolerance` Delta E of the backdrop that reach the border through gaps wider than 2 * brush pixels."""
    calm = cv2.GaussianBlur(distance, (0, 0), 0.8)
    return _flood((calm < tolerance) & (distance < 2 * tolerance), brush)


def divide(pixels: Pixels, lab: Plane, backdrop: Backdrop, tolerance: float) -> Regions:
    """Divide a reduced picture (uint8 sRGB [H, W, 3] and its Lab) into product, backdrop and the rest.

    tolerance: Delta E that is explained by the backdrop's own noise.
    """
    distance = backdrop.distance(lab)
    outside = certain_backdrop(distance, tolerance)
    strong = distance > 2 * tolerance + 3
    dimmed = _dimmed(pixels, lab, backdrop, strong)
    shadow = _flood(outside | dimmed, 1) & dimmed & ~outside
    strong &= ~shadow
    product = _grab_cut(lab, backdrop, outside, strong, shadow)
    product = _without_specks(product, distance, tolerance)
    product = _filled(product)
    colourful = float(np.hypot(backdrop.surface[..., 1], backdrop.surface[..., 2]).min()) > COLOURFUL
    clipped = float(backdrop.surface[..., 0].max()) > CLIPPED
    seen_through = distance if not colourful else np.where(dimmed, 0, distance).astype(np.float32)
    holes, count = _holes(seen_through, product, tolerance, clipped)
    product &= ~holes
    return Regions(product, outside & ~product | holes, count, _support(distance, product, tolerance))


def everything_but(distance: Plane, tolerance: float) -> Regions:
    """The cautious division: only what is certainly backdrop is backdrop, all else is kept as product.

    A broad brush keeps the flood from entering a white shoe through the gaps of its faint outline.
    """
    outside = certain_backdrop(distance, tolerance, max(3, round(CAUTIOUS_BRUSH * max(distance.shape))))
    product = _filled(_without_specks(~outside, distance, tolerance))
    return Regions(product, ~product, 0, _support(distance, product, tolerance))


def _dimmed(pixels: Pixels, lab: Plane, backdrop: Backdrop, strong: Mask) -> Mask:
    """What may be a soft shadow: the backdrop's hue, only darker, and without edges.

    Edges are forgiven where the product itself has hardly any such colour: on a colourful backdrop, or for a black or
    red thing on white. A grey thing on white is parted from its shadow by its edge alone.
    """
    surface = np.clip(cv2.cvtColor(backdrop.surface, cv2.COLOR_Lab2RGB), 0.004, 1.0)
    behind = np.maximum(to_light(np.rint(surface * 255).astype(np.uint8)), 0.003)
    share = cv2.GaussianBlur(to_light(pixels), (0, 0), 1.0) / behind
    loss, spread = 1 - share.mean(axis=2), share.max(axis=2) - share.min(axis=2)
    lightness = cv2.GaussianBlur(np.ascontiguousarray(lab[..., 0]), (0, 0), 0.8)
    step = np.hypot(cv2.Sobel(lightness, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(lightness, cv2.CV_32F, 0, 1, scale=1 / 8))
    like = (loss > -0.02) & (loss < SHADOW_MAX_LOSS) & (spread < SHADOW_MAX_SPREAD)
    heart = cv2.erode(_filled(strong).astype(np.uint8), _brush(max(2, round(HEART_DEPTH * max(lab.shape))))).astype(bool)
    if heart.any() and like[heart].mean() > OWN_SHADOW_COLOUR:
        like &= step < SHADOW_MAX_STEP / max(lab.shape)
    return like


def _grab_cut(lab: Plane, backdrop: Backdrop, outside: Mask, strong: Mask, shadow: Mask) -> Mask:
    """Let GrabCut (Rother, Kolmogorov, Blake 2004) decide between certain backdrop and strong evidence of product."""
    # Weak differences inside the product's closed outline are probably product (white leather), outside of it they are
    # probably compression halos: WebP and JPEG leave one to five Delta E around every dark edge.
    reach = max(2, round(CLOSING_SHARE * max(outside.shape)))
    closed = _filled(cv2.morphologyEx(strong.astype(np.uint8), cv2.MORPH_CLOSE, _brush(reach)).astype(bool))
    trimap = np.where(closed, np.uint8(cv2.GC_PR_FGD), np.uint8(cv2.GC_PR_BGD))
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


def _holes(distance: Plane, product: Mask, tolerance: float, clipped: bool) -> tuple[Mask, int]:
    """See-through parts of the product (under a bag's handle, inside a strap): flat, and coloured like the backdrop.

    On a clipped white backdrop a white dial or sole looks the same in its middle, but shades off towards its edges; a
    hole stays backdrop up to its rim.
    """
    like = product & (cv2.GaussianBlur(distance, (0, 0), 0.8) < 3 * tolerance)
    pale = (product & (distance < HOLE_RIM)).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(pale, connectivity=4)
    inside = cv2.erode(pale, np.ones((3, 3), np.uint8)).astype(bool)
    smallest = max(12, 0.0008 * product.sum())
    holes = np.zeros(product.shape, bool)
    found = 0
    for index in range(1, count):
        if stats[index, cv2.CC_STAT_AREA] < smallest:
            continue
        region = labels == index
        core = region & like
        if core.sum() < smallest or np.median(distance[core]) > 0.75 * tolerance:
            continue
        shading = (region & ~core).sum() / max(1, (region & ~inside).sum())
        if shading > HOLE_MAX_SHADING and clipped:
            continue
        holes |= core
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
    brush = _brush(radius)
    pad = radius + 1
    padded = np.pad(open_, pad, constant_values=True).astype(np.uint8)
    walked = _touching_border(cv2.erode(padded, brush, borderValue=1).astype(bool))
    painted = cv2.dilate(walked.astype(np.uint8), brush).astype(bool)
    return painted[pad:-pad, pad:-pad] & open_


def _brush(radius: int) -> Pixels:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.uint8)


def _touching_border(mask: Mask) -> Mask:
    """The connected parts (4-neighbours) of a mask that contain a border pixel."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.isin(labels, np.unique(border[border > 0]))
