"""The sheet behind a product: how plain the border is, and what that leaves to be explained.

Everything here works on a reduced picture of at most a few hundred pixels a side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from imagegen_postprocess.background.backdrop import Backdrop, fit_backdrop, refit_backdrop
from imagegen_postprocess.background.regions import certain_backdrop
from imagegen_postprocess.background.shadow import Dimming, dimming
from imagegen_postprocess.colour.linear import to_lab
from imagegen_postprocess.report import Detail
from imagegen_postprocess.subject import Pixels, Plane, Rgb

WORKING_SIDE = 384  # GrabCut's time grows with the pixels; the alpha is drawn at full size afterwards
# What still counts as a plain border (see Backdrop for the measures). Catalogue photos on white stay below
# drift 0.01 and span 1.5; of 35 products before blurred rooms 26 are refused in the end.
MAX_NOISE = 4.5
MAX_DRIFT = 0.12
MAX_TOUCHED = 0.45
MAX_SPAN = 32.0


@dataclass(frozen=True)
class Sheet:
    """small: uint8 sRGB [h, w, 3], the reduced picture. lab: its CIE Lab. backdrop: fitted to all that is
    certainly background. plainness: 0..1, falling by half towards each limit; 0 beyond one of them."""

    small: Pixels
    lab: Plane
    backdrop: Backdrop
    plainness: float

    @cached_property
    def distance(self) -> Plane:
        """Delta E of each pixel of the reduced picture to the backdrop, float32 [h, w]."""
        return self.backdrop.distance(self.lab)

    @cached_property
    def dimming(self) -> Dimming:
        """How much darker than the backdrop each pixel of the reduced picture is."""
        return dimming(self.small, self.backdrop)

    @property
    def tolerance(self) -> float:
        """Delta E that the backdrop's own noise explains."""
        return _tolerance(self.backdrop)

    @property
    def colour(self) -> Rgb:
        """The backdrop's mean colour in linear light."""
        red, green, blue = (float(value) for value in self.backdrop.light().mean(axis=(0, 1)))
        return red, green, blue

    def light(self, width: int, height: int) -> Plane:
        """The backdrop in linear light, float32 [height, width, 3]."""
        enlarged = cv2.resize(self.backdrop.light(), (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(enlarged, np.float32)

    def linear_noise(self) -> float:
        """Delta E noise as a deviation in linear light: dY/dL* of CIE Lab at the backdrop's luminance.

        0.002 stands for the rounding of 8-bit pixels.
        """
        return 0.002 + self.backdrop.noise * 3 / 116 * math.pow(sum(self.colour) / 3, 2 / 3)

    def measures(self) -> Detail:
        return {
            "noise": round(self.backdrop.noise, 2),
            "span": round(self.backdrop.span, 2),
            "drift": round(self.backdrop.drift, 3),
            "touched": round(self.backdrop.touched, 3),
        }


def look_behind(pixels: Pixels) -> Sheet:
    """Fit a sheet to the border of a picture, uint8 sRGB [H, W, 3]."""
    small = reduced(pixels)
    lab = to_lab(small)
    backdrop = fit_backdrop(lab)
    if not _is_plain(backdrop):
        return Sheet(small, lab, backdrop, 0.0)
    backdrop = refit_backdrop(lab, certain_backdrop(backdrop.distance(lab), _tolerance(backdrop)), backdrop)
    return Sheet(small, lab, backdrop, _plainness(backdrop))


def reduced(pixels: Pixels) -> Pixels:
    """A picture of at most WORKING_SIDE pixels a side, uint8 sRGB."""
    shrink = WORKING_SIDE / max(pixels.shape[:2])
    if shrink >= 1:
        return pixels
    size = max(1, round(pixels.shape[1] * shrink)), max(1, round(pixels.shape[0] * shrink))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _is_plain(backdrop: Backdrop) -> bool:
    return (
        backdrop.noise <= MAX_NOISE
        and backdrop.drift <= MAX_DRIFT
        and backdrop.touched <= MAX_TOUCHED
        and backdrop.span <= MAX_SPAN
    )


def _tolerance(backdrop: Backdrop) -> float:
    return float(np.clip(1.2 + 3 * backdrop.noise, 1.5, 8.0))


def _plainness(backdrop: Backdrop) -> float:
    measures = (
        backdrop.noise / MAX_NOISE,
        backdrop.span / MAX_SPAN,
        backdrop.drift / MAX_DRIFT,
        backdrop.touched / MAX_TOUCHED,
    )
    return math.prod(1 - min(1.0, measure) / 2 for measure in measures)
