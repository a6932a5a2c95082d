"""Soft alpha at full size from a coarse map, and the product's own colours without the backdrop's.

The composition model, in linear light with product coverage a, product colour F, shadow s and backdrop B:

    C = a F + (1 - a) s B          alpha = 1 - (1 - a) s          alpha * colour = C - (1 - alpha) B

so a shadow becomes translucent black, and laying the result over B gives the photograph back.
"""

from __future__ import annotations

import cv2
import numpy as np

from imagegen_postprocess.background.regions import Regions
from imagegen_postprocess.colour.linear import to_light, to_pixels
from imagegen_postprocess.subject import Mask, Pixels, Plane

BAND = 2.5  # half width of the unknown band around the outline, in pixels of the coarse map
_SOLID = 0.995  # coverage above which a pixel is wholly product


def pull_matte(pixels: Pixels, behind: Plane, regions: Regions, noise: float) -> tuple[Pixels, Plane]:
    """Draw the alpha of a picture and clean its colours.

    pixels: uint8 sRGB [H, W, 3]. behind: linear backdrop [H, W, 3]. regions: masks, possibly of a reduced picture.
    noise: deviation of the backdrop in linear light. Returns (uint8 sRGB [H, W, 3], alpha float32 [H, W]).
    """
    height, width = pixels.shape[:2]
    zoom = max(height / regions.product.shape[0], width / regions.product.shape[1])
    light = to_light(pixels)
    product = _enlarged(regions.product, width, height)
    backdrop = _enlarged(regions.backdrop, width, height) > 0.5
    ramp = cv2.GaussianBlur(product, (0, 0), 0.5 * zoom + 0.3)
    coverage = _coverage(light, behind, product > 0.5, ramp, zoom, noise)
    shade = _shade(light, behind, product > 0.5, backdrop, noise, zoom)
    alpha = 1 - (1 - coverage) * shade
    # Where the model asks for an impossible colour (darker than black, brighter than white) coverage was too low.
    wanted = coverage > 0.02
    alpha = np.where(wanted, np.maximum(alpha, _least_alpha(light, behind)), alpha)
    alpha = np.where(alpha < 2 / 255, 0.0, np.where(alpha > _SOLID, 1.0, alpha)).astype(np.float32)
    own = (light - (1 - alpha)[..., None] * behind) / np.maximum(alpha, 1 / 255)[..., None]
    cleaned = np.where((alpha < 1)[..., None], to_pixels(own), pixels)
    cleaned[alpha == 0] = 0
    return cleaned, alpha


def _enlarged(mask: Mask, width: int, height: int) -> Plane:
    return cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def _coverage(light: Plane, behind: Plane, product: Mask, ramp: Plane, zoom: float, noise: float) -> Plane:
    """Coverage 0..1: 1 inside, 0 outside; in the band the place of a pixel between backdrop and product colour."""
    radius = int(np.ceil(BAND * zoom))
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    solid = product.astype(np.uint8)
    inner, outer = cv2.erode(solid, brush, borderValue=1).astype(bool), cv2.dilate(solid, brush).astype(bool)
    difference = light - behind
    own = _own_difference(difference, product, 2 * radius)
    power = np.square(own).sum(axis=2)
    projected = (difference * own).sum(axis=2) / np.maximum(power, 1e-9)
    # Where product and backdrop are alike the projection is mostly noise: trust the outline there.
    trust = power / (power + (6 * noise) ** 2)
    seen = trust * np.clip(projected, 0, 1) + (1 - trust) * ramp
    # The coarse outline runs outside the mixed pixels; two pixels inside the half-covered ones nothing is mixed.
    half_covered = inner | (product & (seen > 0.5))
    depth = cv2.distanceTransform(half_covered.astype(np.uint8), cv2.DIST_L2, 3)
    seen = np.maximum(seen, np.clip(depth / zoom - 1.5, 0, 1))
    return np.where(outer & ~inner, seen, inner.astype(np.float32)).astype(np.float32)


def _own_difference(difference: Plane, product: Mask, radius: int) -> Plane:
    """The product's difference from the backdrop near each pixel: neighbours weigh by how unlike the backdrop they are.

    The most unlike neighbours are the purest product; this also serves straps too thin to have an inside.
    """
    size = (2 * radius + 1, 2 * radius + 1)
    strength = np.sqrt(np.square(difference).sum(axis=2)) * product
    peak = cv2.dilate(strength, np.ones(size, np.uint8))
    weight = np.clip(strength / np.maximum(peak, 1e-6), 0, 1) ** 3 * product + np.float32(1e-9)
    total = cv2.boxFilter(weight, -1, size, normalize=False)
    return np.asarray(cv2.boxFilter(difference * weight[..., None], -1, size, normalize=False) / total[..., None])


def _shade(light: Plane, behind: Plane, product: Mask, backdrop: Mask, noise: float, zoom: float) -> Plane:
    """Share of light that the backdrop keeps, 0..1: 1 where it is clean, less in shadows, carried in under the edge."""
    share = (light / np.maximum(behind, 1e-3)).max(axis=2)
    loss = np.clip(1 - share, 0, 1)
    floor = 0.02 + 3 * noise
    faded = loss * np.clip((loss - 0.5 * floor) / floor, 0, 1)
    outside = ~product
    faded[backdrop] = 0
    weight = outside.astype(np.float32)
    size = (int(2 * np.ceil(BAND * zoom)) + 3,) * 2
    spread = cv2.blur(faded * weight, size) / np.maximum(cv2.blur(weight, size), 1e-3)
    return 1 - np.where(outside, faded, spread).astype(np.float32)


def _least_alpha(light: Plane, behind: Plane) -> Plane:
    """The smallest alpha for which some real colour explains the pixel."""
    brighter = (light - behind) / np.maximum(1 - behind, 1e-3)
    darker = (behind - light) / np.maximum(behind, 1e-3)
    return np.clip(np.maximum(brighter, darker).max(axis=2), 0, 1)
