"""Soft shadows: the backdrop's own hue, only darker, fading without an edge."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from imagegen_postprocess.background.backdrop import Backdrop
from imagegen_postprocess.background.morphology import filled, shrink
from imagegen_postprocess.colour.linear import to_light
from imagegen_postprocess.planes import largest, planes_of, smallest
from imagegen_postprocess.subject import Mask, Pixels, Plane

MAX_LOSS = 0.55  # share of the light that a soft shadow takes
DARKEST = 0.75  # share of the light that is gone where a product stands on the sheet
MAX_SPREAD = 0.07  # how far that share may differ between the three channels
MAX_STEP = 700.0  # Delta L per longer side of the picture; a product's edge is steeper
HEART_DEPTH = 0.03  # of the longer side: how far inside its outline a product is surely not shadow
OWN_SHADOW_COLOUR = 0.1  # share of that inside that may have a shadow's colour


@dataclass(frozen=True)
class Dimming:
    """loss: share of the light that each pixel lacks, float32 [H, W]. spread: how far that differs between
    the channels."""

    loss: Plane
    spread: Plane


def dimming(pixels: Pixels, backdrop: Backdrop) -> Dimming:
    """How much darker than the backdrop each pixel of its picture, uint8 sRGB [H, W, 3], is."""
    soft = np.asarray(cv2.GaussianBlur(to_light(pixels), (0, 0), 1.0))
    kept = planes_of(soft / np.maximum(backdrop.light(), 0.003))
    return Dimming(1 - (kept[0] + kept[1] + kept[2]) / np.float32(3), largest(kept) - smallest(kept))


def shadow_coloured(lab: Plane, dimming: Dimming, strong: Mask) -> Mask:
    """Pixels that may be a soft shadow on the backdrop, wherever they lie: bool [H, W].

    Edges are forgiven where the product itself (`strong`: surely different from the backdrop) has hardly any
    such colour: on a colourful backdrop, or for a black or red thing on white. A grey thing on white is
    parted from its shadow by its edge alone.
    """
    like = shadow_hued(dimming, MAX_LOSS)
    heart = shrink(filled(strong), max(2, round(HEART_DEPTH * max(strong.shape))))
    if heart.any() and like[heart].mean() > OWN_SHADOW_COLOUR:
        like &= _steps(lab) < MAX_STEP / max(strong.shape)
    return like


def shadow_hued(dimming: Dimming, darkest: float = DARKEST) -> Mask:
    """Pixels of the backdrop's own hue, only darker, however sharp their edges are: bool [H, W].

    darkest: share of the light that they may lack.
    """
    loss = dimming.loss
    return np.asarray((loss > -0.02) & (loss < darkest) & (dimming.spread < MAX_SPREAD))


def _steps(lab: Plane) -> Plane:
    """Change of lightness, Delta L per pixel."""
    lightness = cv2.GaussianBlur(np.ascontiguousarray(lab[..., 0]), (0, 0), 0.8)
    across = np.asarray(cv2.Sobel(lightness, cv2.CV_32F, 1, 0, scale=1 / 8), np.float32)
    down = np.asarray(cv2.Sobel(lightness, cv2.CV_32F, 0, 1, scale=1 / 8), np.float32)
    return np.hypot(across, down)
