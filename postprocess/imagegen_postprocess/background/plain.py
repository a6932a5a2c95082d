"""Cut a product out of a plain backdrop: no model, no download.

The backdrop's colour is fitted to the border; what is certainly backdrop, what is shadow and what is strongly different
is told apart on a reduced picture, GrabCut decides the rest, and the soft alpha is drawn at full size.

A doubtful outline (a white shoe on white) is not guessed: only what is certainly backdrop is taken away, and the report
says so. It does not know what products look like.
"""

from __future__ import annotations

import cv2
import numpy as np

from imagegen_postprocess.background.backdrop import Backdrop, fit_backdrop, refit_backdrop
from imagegen_postprocess.background.matte import pull_matte
from imagegen_postprocess.background.regions import certain_backdrop, divide, everything_but
from imagegen_postprocess.colour.linear import to_lab, to_light
from imagegen_postprocess.report import Detail, StepNote
from imagegen_postprocess.subject import Pixels, Plane, Subject

WORKING_SIDE = 384  # GrabCut's time grows with the pixels; the alpha is drawn at full size afterwards
MAX_NOISE = 4.5
MAX_DRIFT = 0.12
MAX_TOUCHED = 0.45
MAX_SPAN = 32.0
DOUBTFUL = 0.5
# Share of the outline that is really seen. Below 0.85 products came out eaten (white on white, black on black).
UNSUPPORTED, SUPPORTED = 0.75, 0.95
SMALLEST_PRODUCT = 0.0005


def cut_out_plain(subject: Subject) -> tuple[Subject, StepNote]:
    """Give a subject its alpha, clean product colours and the backdrop's colour, or say why not."""
    small = _reduced(subject.pixels)
    lab = to_lab(small)
    backdrop = fit_backdrop(lab)
    detail: Detail = {
        "method": "plain",
        "noise": round(backdrop.noise, 2),
        "drift": round(backdrop.drift, 3),
        "touched": round(backdrop.touched, 3),
    }
    if not _is_plain(backdrop):
        return subject, StepNote(
            False, detail | {"confidence": 0.0}, "the border is not plain; the picture is kept whole"
        )
    backdrop = refit_backdrop(lab, certain_backdrop(backdrop.distance(lab), _tolerance(backdrop)), backdrop)
    tolerance = _tolerance(backdrop)
    regions = divide(small, lab, backdrop, tolerance)
    behind = _surface_light(backdrop, subject.width, subject.height)
    mean = behind.reshape(-1, 3).mean(axis=0)
    share = float(regions.product.mean())
    if share < SMALLEST_PRODUCT:
        return Subject(subject.pixels, None, _rgb(mean)), StepNote(
            False, detail | {"confidence": 0.0}, "no product stands out from the backdrop; the picture is kept whole"
        )
    confidence = _confidence(backdrop, regions.support)
    note, support = "", regions.support
    if confidence < DOUBTFUL:
        regions = everything_but(backdrop.distance(lab), tolerance)
        note = "doubtful outline: only what is certainly backdrop was removed; look at the result"
    noise = _linear_noise(backdrop, mean)
    pixels, alpha = pull_matte(subject.pixels, behind, regions, noise)
    detail |= {
        "mode": "outline" if confidence >= DOUBTFUL else "certain backdrop only",
        "confidence": round(confidence, 3),
        "support": round(support, 3),
        "product_share": round(float(regions.product.mean()), 4),
        "holes": regions.holes,
    }
    return Subject(pixels, alpha, _rgb(mean)), StepNote(True, detail, note)


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


def _confidence(backdrop: Backdrop, support: float) -> float:
    plainness = (1 - backdrop.drift / MAX_DRIFT * 0.5) * (1 - 0.5 * backdrop.touched / MAX_TOUCHED)
    return plainness * float(np.clip((support - UNSUPPORTED) / (SUPPORTED - UNSUPPORTED), 0, 1))


def _surface_light(backdrop: Backdrop, width: int, height: int) -> Plane:
    """The backdrop at full size in linear light [H, W, 3]."""
    code = np.clip(cv2.cvtColor(backdrop.surface, cv2.COLOR_Lab2RGB), 0, 1)
    code = cv2.resize(code, (width, height), interpolation=cv2.INTER_LINEAR)
    return to_light(np.rint(code * 255).astype(np.uint8))


def _linear_noise(backdrop: Backdrop, mean: np.ndarray) -> float:
    """Delta E noise as a deviation in linear light: dY/dL* of CIE Lab at the backdrop's luminance."""
    luminance = float(mean.mean())
    return 0.002 + backdrop.noise * 3 / 116 * luminance ** (2 / 3)


def _rgb(light: np.ndarray) -> tuple[float, float, float]:
    return float(light[0]), float(light[1]), float(light[2])
