"""What can be measured on the pixels of a finished picture without knowing how it was made.

The ring is the frame's outermost hundredth. Where it is plain, whatever differs from it is the product; where
it is not, nobody can say by measuring what is product and what is room, and nothing is said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Image

from imagegen_postprocess.subject import Mask, Pixels

RING = 0.01  # of the shorter side
PLAIN_SHARE = 0.95  # of the ring that must have one colour
SAME = 16  # code values; JPEG's ringing at quality 50 stays below, a white product's shades do not
EXACT = 1  # code value; decoders round a pure colour by as much
SPECK = 1e-5  # of the frame; smaller parts are noise
PART = 2e-4  # of the frame; smaller parts are crumbs and shadows' rims, no text
FLAT = 6  # code values within 5 x 5 pixels: more even than a photographed surface, after JPEG's ringing
PANEL = 4e-3  # of the frame; smaller flat patches are highlights and buttons
CONVEX = 0.9  # area / area of the convex hull: flat patches of products have ragged outlines (0.8 at most)
STANDS_OUT = 40  # code values from the backdrop
FRAME_DEPTH = 0.03  # of the shorter side; deeper, a border cannot be told from a square product
WORKING_PIXELS = 4_200_000

_OPAQUE = 128


@dataclass(frozen=True)
class Look:
    """backdrop: the ring's median colour, None when transparent. plain: the ring has one colour. fill:
    longest side of the product's box / that side of the frame; parts: separate things that differ from the
    ring; panels: even patches with a convex outline, as bars and badges are drawn; all None unless plain.
    border: a line of one colour runs around the picture, all the way.
    """

    backdrop: tuple[int, int, int] | None
    plain: bool
    fill: float | None
    parts: int | None
    border: bool
    panels: int | None = None


def look_at(picture: Image.Image) -> Look:
    """Measure an upright picture of any mode, 16 pixels a side at least."""
    reduction = max(1, math.ceil((picture.width * picture.height / WORKING_PIXELS) ** 0.5))
    pixels, solid = _pixels(picture)
    ring = _ring(pixels.shape[0], pixels.shape[1])
    if solid is not None and not solid[ring].any():
        return _product(None, solid[::reduction, ::reduction], border=False)
    edge = pixels[ring]
    middle = np.median(edge, axis=0).astype(np.uint8)
    backdrop = (int(middle[0]), int(middle[1]), int(middle[2]))
    small = pixels[::reduction, ::reduction]
    border = _has_border(small)
    if (_distance(edge[None], middle) <= SAME).mean() < PLAIN_SHARE:
        return Look(backdrop, plain=False, fill=None, parts=None, border=border)
    found = _product(backdrop, _distance(small, middle) > SAME, border=border)
    return replace(found, panels=_panels(small, middle))


def share_of_ring(picture: Image.Image, colour: tuple[int, int, int]) -> float:
    """Share (0..1) of the ring that is exactly this colour; a transparent pixel has none."""
    pixels, solid = _pixels(picture)
    ring = _ring(pixels.shape[0], pixels.shape[1])
    same = _distance(pixels[ring][None], np.array(colour, np.uint8))[0] <= EXACT
    return float((same if solid is None else same & solid[ring]).mean())


def _pixels(picture: Image.Image) -> tuple[Pixels, Mask | None]:
    """uint8 [H, W, 3], and where the picture is opaque (None: everywhere)."""
    if not picture.has_transparency_data:
        return np.asarray(picture.convert("RGB")), None
    pixels = np.asarray(picture.convert("RGBA"))
    return pixels[..., :3], pixels[..., 3] >= _OPAQUE


def _ring(height: int, width: int) -> Mask:
    depth = max(1, round(RING * min(height, width)))
    ring = np.ones((height, width), bool)
    ring[depth:-depth, depth:-depth] = False
    return ring


def _distance(pixels: Pixels, colour: Pixels) -> Pixels:
    """Largest difference of a channel, uint8 [H, W]."""
    difference: Pixels = cv2.absdiff(pixels, np.broadcast_to(colour, pixels.shape)).max(axis=-1)
    return difference


def _product(backdrop: tuple[int, int, int] | None, product: Mask, *, border: bool) -> Look:
    height, width = product.shape
    _, _, boxes, _ = cv2.connectedComponentsWithStats(_enclosed(product), connectivity=8)
    things = boxes[1:]  # the first is the backdrop
    things = things[things[:, cv2.CC_STAT_AREA] >= max(2, SPECK * product.size)]
    if not len(things):
        return Look(backdrop, plain=True, fill=0.0, parts=0, border=border, panels=0)
    left, top = things[:, cv2.CC_STAT_LEFT], things[:, cv2.CC_STAT_TOP]
    across = (left + things[:, cv2.CC_STAT_WIDTH]).max() - left.min()
    down = (top + things[:, cv2.CC_STAT_HEIGHT]).max() - top.min()
    parts = int((things[:, cv2.CC_STAT_AREA] >= PART * product.size).sum())
    return Look(
        backdrop,
        plain=True,
        fill=float(max(across / width, down / height)),
        parts=parts,
        border=border,
        panels=0,
    )


def _panels(pixels: Pixels, backdrop: Pixels) -> int:
    """Patches that no camera has seen: of one even colour, unlike the backdrop's, with a convex outline."""
    window = np.ones((5, 5), np.uint8)
    spread = (cv2.dilate(pixels, window) - cv2.erode(pixels, window)).max(axis=-1)
    even = ((spread <= FLAT) & (_distance(pixels, backdrop) > STANDS_OUT)).astype(np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(even, connectivity=4)
    found = 0
    for patch in range(1, count):
        left, top, width, height, area = boxes[patch]
        if area < PANEL * even.size:
            continue
        alone = (labels[top : top + height, left : left + width] == patch).astype(np.uint8)
        outlines, _ = cv2.findContours(alone, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outline = max(outlines, key=cv2.contourArea)
        hull = cv2.contourArea(cv2.convexHull(outline))
        found += cv2.contourArea(outline) >= CONVEX * max(hull, 1.0)
    return found


def _enclosed(product: Mask) -> Pixels:
    """1 where the backdrop cannot be reached from the frame's edge: what lies inside a product is its own."""
    room = np.pad((~product).astype(np.uint8), 1, constant_values=1)
    cv2.floodFill(room, None, (0, 0), 2)
    enclosed: Pixels = (room[1:-1, 1:-1] != 2).astype(np.uint8)
    return enclosed


def _has_border(pixels: Pixels) -> bool:
    """Whether rings of one colour end at the same depth on all four sides."""
    colour = np.median(pixels[0], axis=0).astype(np.uint8)
    if (_distance(pixels[[0, -1]], colour) > SAME).any() or (
        _distance(pixels[:, [0, -1]], colour) > SAME
    ).any():
        return False
    for depth in range(1, max(2, round(FRAME_DEPTH * min(pixels.shape[:2])) + 1)):
        inner = pixels[depth:-depth, depth:-depth]
        sides = (inner[0], inner[-1], inner[:, 0], inner[:, -1])
        shares = [float((_distance(side[None], colour) > SAME).mean()) for side in sides]
        if min(shares) > 0.9:
            return True
        if max(shares) > 0:
            return False
    return False
