"""Soft alpha at full size from a coarse map, and the product's own colours without the backdrop's.

The composition model, in linear light with product coverage a, product colour F, shade s and backdrop B:

    C = a F + (1 - a) s B          alpha = 1 - (1 - a) s          alpha * colour = C - (1 - alpha) B

so a shadow becomes translucent black, and laying the result over B gives the photograph back.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from imagegen_postprocess.background.morphology import grow, shrink
from imagegen_postprocess.background.purest import dot, purest_difference
from imagegen_postprocess.background.regions import Regions
from imagegen_postprocess.colour.linear import to_light, to_pixels
from imagegen_postprocess.subject import Mask, Pixels, Plane

BAND = 2.5  # half width of the unknown band around the outline, in pixels of the coarse map
_OVERSHOOT = np.float32(0.02)  # of linear light, that needs no other colour to explain it
_NARROW = np.float32(0.1)  # room beside the backdrop below which a colour says little
_CLEAR, _SOLID = 2 / 255, 0.995  # alpha below and above which a pixel is wholly background, wholly product


def pull_matte(
    pixels: Pixels, behind: Plane, regions: Regions, noise: float, *, keep_shadow: bool = True
) -> tuple[Pixels, Plane]:
    """Draw the alpha of a picture and clean its colours.

    pixels: uint8 sRGB [H, W, 3]. behind: linear backdrop [H, W, 3]. regions: masks, usually of a reduced
    picture. noise: deviation of the backdrop in linear light. keep_shadow: otherwise alpha is the product's
    coverage alone. Returns uint8 sRGB [H, W, 3], black where alpha
    is 0, and alpha float32 [H, W].
    """
    height, width = pixels.shape[:2]
    zoom = max(height / regions.product.shape[0], width / regions.product.shape[1])
    light = to_light(pixels)
    product = _enlarged(regions.product, width, height)
    radius = math.ceil(BAND * zoom)
    inner, outer = shrink(product > 0.5, radius), grow(product > 0.5, radius)
    clean = _enlarged(regions.backdrop, width, height) > 0.5
    shade = _shade(light, behind, outer, clean, noise, radius)
    coverage = _coverage(light - shade[..., None] * behind, product, inner, zoom, noise)
    coverage[~outer] = 0
    if not keep_shadow:
        behind, shade = shade[..., None] * behind, np.ones_like(shade)
    alpha = 1 - (1 - coverage) * shade
    # Where no real colour (none below black or above white) would explain the pixel, coverage was too low.
    alpha = np.where(coverage > 0.02, np.maximum(alpha, _least_alpha(light, behind)), alpha)
    alpha = np.where(alpha < _CLEAR, 0, np.where(alpha > _SOLID, 1, alpha)).astype(np.float32)
    own = (light - (1 - alpha)[..., None] * behind) / np.maximum(alpha, np.float32(_CLEAR))[..., None]
    cleaned = np.where(alpha[..., None] < 1, to_pixels(own), pixels)
    cleaned[alpha == 0] = 0
    return cleaned, alpha


def _enlarged(mask: Mask, width: int, height: int) -> Plane:
    resized = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.float32)


def _coverage(difference: Plane, product: Plane, inner: Mask, zoom: float, noise: float) -> Plane:
    """Coverage 0..1: 1 inside the band, in it a pixel's place between backdrop and product colour.

    difference: linear light minus shaded backdrop, [H, W, 3]. product: the enlarged coarse mask, 0..1.
    """
    radius = math.ceil(BAND * zoom)
    solid = product > 0.5
    own = purest_difference(difference, solid, 2 * radius)
    power = dot(own, own)
    projected = dot(difference, own) / np.maximum(power, np.float32(1e-9))
    # The last few per cent at either end are texture and noise; left in, they tint the product's rim.
    projected = np.clip((projected - 0.04) / 0.9, 0, 1)
    # Where product and backdrop are alike the projection is mostly noise: trust the outline there.
    trust = power / (power + np.float32(36 * noise**2))
    ramp = np.asarray(cv2.GaussianBlur(product, (0, 0), 0.5 * zoom + 0.3), np.float32)
    seen = trust * projected + (1 - trust) * ramp
    # The coarse outline runs outside the mixed pixels; two pixels inside the half-covered ones nothing is
    # mixed.
    half_covered = inner | (solid & (seen > 0.5))
    depth = np.asarray(cv2.distanceTransform(half_covered.astype(np.uint8), cv2.DIST_L2, 3), np.float32)
    seen = np.maximum(seen, np.clip(depth / zoom - 1.5, 0, 1))
    return np.where(inner, 1, seen).astype(np.float32)


def _shade(light: Plane, behind: Plane, outer: Mask, clean: Mask, noise: float, radius: int) -> Plane:
    """Share of its light that the backdrop keeps, 0..1: 1 where it is clean, less in shadows.

    Within the band (`outer` holds it and the product) the shade of what lies beyond is carried on, because
    the mixed pixels stand on it: measured there, a dark product's edge would pass for shadow.
    """
    loss = np.clip(1 - _largest((light / np.clip(behind, 1e-3, 1)).astype(np.float32)), 0, 1)
    floor = 0.02 + 3 * noise
    loss = loss * np.clip((loss - 0.5 * floor) / floor, 0, 1)  # no rim where a shadow fades into the noise
    loss[clean] = 0
    beyond = (~outer).astype(np.float32)
    side = 4 * radius + 3
    carried = np.asarray(cv2.blur(loss * beyond, (side, side)), np.float32)
    carried /= np.maximum(np.asarray(cv2.blur(beyond, (side, side)), np.float32), np.float32(1e-3))
    return 1 - np.where(outer, carried, loss).astype(np.float32)


def _least_alpha(light: Plane, behind: Plane) -> Plane:
    """The smallest alpha for which some real colour explains the pixel.

    A white backdrop is a shade below white and compression overshoots beside an edge: without the allowance
    every such pixel would be wholly product, a rim of white specks.
    """
    brighter = (light - behind - _OVERSHOOT) / np.maximum(1 - behind, _NARROW)
    darker = (behind - light - _OVERSHOOT) / np.maximum(behind, _NARROW)
    return np.clip(_largest(np.maximum(brighter, darker).astype(np.float32)), 0, 1)


def _largest(light: Plane) -> Plane:
    """The largest of three channels: numpy's own reduction over a short last axis is ten times slower."""
    return np.maximum(np.maximum(light[..., 0], light[..., 1]), light[..., 2])
