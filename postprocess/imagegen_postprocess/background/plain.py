"""Cut a product out of a plain backdrop: no model, no download.

The backdrop's colour is fitted to the border; what is certainly backdrop, what is shadow and what is strongly
different is told apart on a reduced picture, GrabCut decides the rest, and the soft alpha is drawn at full
size.

A doubtful outline (a white shoe on white) is not guessed: only what is certainly backdrop is taken away, and
the report says so. It does not know what products look like.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from imagegen_postprocess.background.backdrop import Backdrop, fit_backdrop, refit_backdrop
from imagegen_postprocess.background.matte import pull_matte
from imagegen_postprocess.background.regions import certain_backdrop, divide, everything_but
from imagegen_postprocess.colour.linear import to_lab
from imagegen_postprocess.report import Detail, StepNote
from imagegen_postprocess.subject import Pixels, Subject

WORKING_SIDE = 384  # GrabCut's time grows with the pixels; the alpha is drawn at full size afterwards
# What still counts as a plain border (see Backdrop for the measures). Catalogue photos on white stay below
# drift 0.01 and span 1.5; of 35 products before blurred rooms 26 are refused in the end.
MAX_NOISE = 4.5
MAX_DRIFT = 0.12
MAX_TOUCHED = 0.45
MAX_SPAN = 32.0
TOUCHING = 0.05
DOUBTFUL = 0.5
PLAIN_ENOUGH = 0.75  # below it a doubtful outline is more likely a room than a white shoe
# Share of the outline that is really seen. Below 0.85 products came out eaten (white on white, black on
# black).
UNSUPPORTED, SUPPORTED = 0.75, 0.95
# Share of the cautious product that the outline encloses: a white shoe drawn by a few lines is mostly hollow.
HOLLOW, SOLID = 0.3, 0.7
SMALLEST_PRODUCT = 0.0005


def cut_out_plain(
    subject: Subject, *, keep_shadow: bool = True, least_plainness: float = 0.0
) -> tuple[Subject, StepNote]:
    """Give a subject its alpha, clean product colours and the backdrop's colour, or say why not.

    The note's confidence, 0..1, joins how plain the border is, how much of the outline is seen and how much
    it encloses; below 0.5 the cautious division is delivered and the note says so. keep_shadow: a soft shadow
    becomes translucent black; otherwise it goes with the backdrop. least_plainness: 0..1, of a border that it
    tries at all.
    """
    small = _reduced(subject.pixels)
    lab = to_lab(small)
    backdrop = fit_backdrop(lab)
    detail: Detail = {
        "method": "plain",
        "confidence": 0.0,
        "noise": round(backdrop.noise, 2),
        "span": round(backdrop.span, 2),
        "drift": round(backdrop.drift, 3),
        "touched": round(backdrop.touched, 3),
    }
    if not _is_plain(backdrop):
        return subject, StepNote(False, detail, "the border is not plain; the picture is kept whole")
    backdrop = refit_backdrop(lab, certain_backdrop(backdrop.distance(lab), _tolerance(backdrop)), backdrop)
    tolerance, plainness = _tolerance(backdrop), _plainness(backdrop)
    if plainness < least_plainness:
        detail["plainness"] = round(plainness, 3)
        return subject, StepNote(False, detail, "the border is hardly plain; the picture is kept whole")
    red, green, blue = (float(value) for value in backdrop.light().mean(axis=(0, 1)))
    regions = divide(small, lab, backdrop, tolerance)
    if regions.product.mean() < SMALLEST_PRODUCT:
        note = "no product stands out from the backdrop; the picture is kept whole"
        return Subject(subject.pixels, None, (red, green, blue)), StepNote(False, detail, note)
    cautious = everything_but(backdrop.distance(lab), tolerance)
    solidity = min(1.0, float((~regions.outside).sum()) / max(1.0, float(cautious.product.sum())))
    confidence = plainness * _clarity(regions.support, solidity)
    detail |= {
        "confidence": round(confidence, 3),
        "plainness": round(plainness, 3),
        "support": round(regions.support, 3),
        "solidity": round(solidity, 3),
    }
    if confidence < DOUBTFUL and plainness < PLAIN_ENOUGH:
        return subject, StepNote(
            False, detail, "the border is hardly plain and no outline clear; the picture is kept whole"
        )
    detail["mode"] = "outline"
    note = "the product touches the border" if backdrop.touched > TOUCHING else ""
    if confidence < DOUBTFUL:
        regions = cautious
        detail["mode"] = "certain backdrop only"
        note = "doubtful outline: only what is certainly backdrop was removed; look at the result"
    detail |= {"product_share": round(float(regions.product.mean()), 4), "holes": regions.holes}
    behind = cv2.resize(backdrop.light(), (subject.width, subject.height), interpolation=cv2.INTER_LINEAR)
    noise = _linear_noise(backdrop, (red + green + blue) / 3)
    pixels, alpha = pull_matte(
        subject.pixels, np.asarray(behind, np.float32), regions, noise, keep_shadow=keep_shadow
    )
    return Subject(pixels, alpha, (red, green, blue)), StepNote(True, detail, note)


def _reduced(pixels: Pixels) -> Pixels:
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
    """Delta E that the backdrop's own noise explains."""
    return float(np.clip(1.2 + 3 * backdrop.noise, 1.5, 8.0))


def _plainness(backdrop: Backdrop) -> float:
    """0..1, falling by half towards each limit of a plain border."""
    measures = (
        backdrop.noise / MAX_NOISE,
        backdrop.span / MAX_SPAN,
        backdrop.drift / MAX_DRIFT,
        backdrop.touched / MAX_TOUCHED,
    )
    return math.prod(1 - min(1.0, measure) / 2 for measure in measures)


def _clarity(support: float, solidity: float) -> float:
    """0..1: how much of the outline is seen, and how much of the cautious product it encloses."""
    seen = float(np.clip((support - UNSUPPORTED) / (SUPPORTED - UNSUPPORTED), 0, 1))
    return seen * float(np.clip((solidity - HOLLOW) / (SOLID - HOLLOW), 0, 1))


def _linear_noise(backdrop: Backdrop, luminance: float) -> float:
    """Delta E noise as a deviation in linear light: dY/dL* of CIE Lab at the backdrop's luminance.

    0.002 stands for the rounding of 8-bit pixels.
    """
    return 0.002 + backdrop.noise * 3 / 116 * math.pow(luminance, 2 / 3)
