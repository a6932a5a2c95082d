"""Soft alpha at full size from a coarse map, and the product's own colours without the backdrop's.

The composition model, in linear light with product coverage a, product colour F, shade s and backdrop B:

    C = a F + (1 - a) s B          alpha = 1 - (1 - a) s          alpha * colour = C - (1 - alpha) B

so a shadow becomes translucent black, and laying the result over B gives the photograph back.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from imagegen_postprocess.background.morphology import grow
from imagegen_postprocess.background.refine import refine
from imagegen_postprocess.background.regions import Regions
from imagegen_postprocess.colour.linear import decode, encode, to_light, to_pixels
from imagegen_postprocess.planes import columns_of, largest
from imagegen_postprocess.subject import Mask, Pixels, Plane

BAND = 2.5  # pixels of the coarse map around the product within which nothing is taken for shadow
GUIDE_SIDE = 480  # of the filter that draws the outline: see `refine`
_PURE, _NEAR = (
    0.97,
    15,
)  # alpha and window, in pixels of the guide, of the product's own colours near its edge
_LITTLE = 1e-3  # of squared linear light: product and backdrop this alike do not tell how they mix
_OVERSHOOT = np.float32(0.02)  # of linear light, that needs no other colour to explain it
_NARROW = np.float32(0.1)  # room beside the backdrop below which a colour says little
_FAINT = 0.02  # coverage up to which a pixel is taken for backdrop
_CLEAR, _SOLID = 2 / 255, 0.995  # alpha below and above which a pixel is wholly background, wholly product


def pull_matte(
    pixels: Pixels, behind: Plane, regions: Regions, noise: float, *, keep_shadow: bool = True
) -> tuple[Pixels, Plane]:
    """Draw the alpha of a picture and clean its colours.

    pixels: uint8 sRGB [H, W, 3]. behind: linear backdrop [H, W, 3]. regions: masks, usually of a reduced
    picture. noise: deviation of the backdrop in linear light. keep_shadow: otherwise alpha is the product's
    coverage alone. Returns uint8 sRGB [H, W, 3], black where alpha is 0, and alpha float32 [H, W].
    """
    height, width = pixels.shape[:2]
    zoom = max(height / regions.product.shape[0], width / regions.product.shape[1])
    light = to_light(pixels)
    radius = math.ceil(BAND * zoom)
    outer = grow(_enlarged(regions.product, width, height) > 0.5, radius)
    clean = _enlarged(regions.backdrop, width, height) > 0.5
    shade = _carried(_shadows(light, behind, ~(clean | outer), noise), outer, radius)
    drawn = refine(pixels, regions.product.astype(np.float32), GUIDE_SIDE)
    alpha = _in_light(drawn, light, behind, shade, outer, noise)
    alpha[~outer] = 0
    # Only what is neither solid product nor clean backdrop has to be worked out: a tenth of a usual picture.
    open_ = np.flatnonzero((alpha < 1) & ((alpha > 0) | ~clean))
    coverage, clean = alpha.ravel()[open_], clean.ravel()[open_]
    light, behind = (np.take(plane.reshape(-1, 3), open_, axis=0) for plane in (light, behind))
    # Where nothing is mixed the shade is what is seen: carried on, it left a white line in a shadow.
    seen = np.where(clean, 1, _shade(light, behind, noise))
    kept = np.where(coverage > _FAINT, shade.ravel()[open_], seen)
    if not keep_shadow:
        behind, kept = kept[:, None] * behind, np.ones_like(kept)
    mixed = 1 - (1 - coverage) * kept
    # Where no real colour (none below black or above white) would explain the pixel, coverage was too low.
    mixed = np.where(coverage > _FAINT, np.maximum(mixed, _least_alpha(light, behind)), mixed)
    mixed = np.where(mixed < _CLEAR, 0, np.where(mixed > _SOLID, 1, mixed)).astype(np.float32)
    alpha.ravel()[open_] = mixed
    cleaned = np.asarray(cv2.copyTo(pixels, (alpha > 0).astype(np.uint8)), np.uint8)
    partly = (mixed > 0) & (mixed < 1)
    share = mixed[partly, None]
    own = (light[partly] - (1 - share) * behind[partly]) / np.maximum(share, np.float32(_CLEAR))
    cleaned.reshape(-1, 3)[open_[partly]] = to_pixels(own.astype(np.float32, copy=False))
    return cleaned, alpha


def _enlarged(mask: Mask, width: int, height: int) -> Plane:
    resized = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.float32)


def _in_light(alpha: Plane, light: Plane, behind: Plane, shade: Plane, outer: Mask, noise: float) -> Plane:
    """A coverage found in sRGB as the coverage that mixes the light, in the pixels at the outline.

    behind: the backdrop without its shadows, whose share of the light is `shade`. Beyond `outer` nothing is
    looked at.

    A dark edge half covered on white has three quarters of the white's code value: read off in sRGB it seems
    a quarter covered, and every outline lies too far inside. Half of the answer is the filter's line, bent by
    the transfer curve; half, where the product stands out of the noise, each pixel's own place between the
    backdrop and the product's colour near its edge. Either alone was worse (by 0.001 to 0.002 IoU).
    """
    height, width = alpha.shape
    zoom = min(1.0, GUIDE_SIDE / max(height, width))
    size = max(1, round(width * zoom)), max(1, round(height * zoom))
    solid = (np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)) > _PURE).astype(np.float32)
    reduced = np.asarray(cv2.resize(light, size, interpolation=cv2.INTER_AREA), np.float32)
    window = (_NEAR, _NEAR)
    weight = np.asarray(cv2.blur(solid, window), np.float32)
    own = np.asarray(cv2.blur(reduced * cv2.merge([solid, solid, solid]), window), np.float32)
    rows, columns = np.nonzero(grow((alpha > 0) & (alpha < 1), 1) & (alpha < 1) & outer)
    y = np.minimum((rows * zoom).astype(np.intp), size[1] - 1)
    x = np.minimum((columns * zoom).astype(np.intp), size[0] - 1)
    near, share = weight[y, x], alpha[rows, columns]
    product = own[y, x] / np.maximum(near, np.float32(1e-4))[:, None]
    sheet = shade[rows, columns][:, None] * behind[rows, columns]
    difference = product - sheet
    power = np.maximum(_along(difference, difference), np.float32(1e-9))
    one, other = encode(product), encode(sheet)
    bent = _along(decode(other + (one - other) * share[:, None]) - sheet, difference) / power
    placed = np.clip(_along(light[rows, columns] - sheet, difference) / power, 0, 1)
    trust = 0.5 * power / (power + np.float32(36 * noise**2))
    found = trust * placed + (1 - trust) * np.clip(bent, 0, 1)
    told = (near > 0) & (power > _LITTLE)
    mixed = alpha.copy()
    mixed[rows, columns] = np.where(told, found, share)
    return mixed


def _along(one: Plane, other: Plane) -> Plane:
    """Inner product of each row: [N, 3] twice -> [N]."""
    return np.asarray(np.einsum("ij,ij->i", one, other), np.float32)


def _shadows(light: Plane, behind: Plane, places: Mask, noise: float) -> Plane:
    """The shade of a picture [H, W, 3] at some places [H, W], 1 elsewhere."""
    shade = np.ones(places.shape, np.float32)
    there = np.flatnonzero(places)
    shade.ravel()[there] = _shade(
        np.take(light.reshape(-1, 3), there, axis=0), np.take(behind.reshape(-1, 3), there, axis=0), noise
    )
    return shade


def _shade(light: Plane, behind: Plane, noise: float) -> Plane:
    """Share of its light that the backdrop keeps, 0..1, in shadows less than 1: [N, 3] twice -> [N]."""
    loss = np.clip(1 - largest(columns_of((light / np.clip(behind, 1e-3, 1)).astype(np.float32))), 0, 1)
    floor = 0.02 + 3 * noise
    loss = loss * np.clip((loss - 0.5 * floor) / floor, 0, 1)  # no rim where a shadow fades into the noise
    return np.asarray(1 - loss, np.float32)


def _carried(shade: Plane, outer: Mask, radius: int) -> Plane:
    """The shade with that of what lies beyond the band (`outer` holds it and the product) carried on into it.

    The mixed pixels there stand on it: measured in them, a dark product's edge would pass for shadow.
    """
    beyond = (~outer).astype(np.float32)
    side = 4 * radius + 3
    loss = np.asarray(cv2.blur((1 - shade) * beyond, (side, side)), np.float32)
    loss /= np.maximum(np.asarray(cv2.blur(beyond, (side, side)), np.float32), np.float32(1e-3))
    return np.where(outer, 1 - loss, shade).astype(np.float32)


def _least_alpha(light: Plane, behind: Plane) -> Plane:
    """The smallest alpha for which some real colour explains the pixel: [N, 3] twice -> [N].

    A white backdrop is a shade below white and compression overshoots beside an edge: without the allowance
    every such pixel would be wholly product, a rim of white specks.
    """
    brighter = (light - behind - _OVERSHOOT) / np.maximum(1 - behind, _NARROW)
    darker = (behind - light - _OVERSHOOT) / np.maximum(behind, _NARROW)
    return np.clip(largest(columns_of(np.maximum(brighter, darker).astype(np.float32))), 0, 1)
