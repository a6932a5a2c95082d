"""Uneven light: a lamp from one side, or two lamps of two colours, read off the backdrop and removed.

The backdrop was one sheet: how its light and colour change across the picture is how the lamps' do. A smooth
surface is fitted to it for each channel and divided out around its mean, so that the picture as a whole gets
neither lighter nor of another colour: those are other steps'.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from imagegen_postprocess.colour.linear import to_light, to_pixels
from imagegen_postprocess.report import Detail, StepNote
from imagegen_postprocess.subject import Plane, Subject

Values = npt.NDArray[np.float64]

LEAST_CHANGE = 0.03  # relative change across the product that is worth a correction
MOST_CHANGE = 1.5  # more is a shadow or a second backdrop, not a lamp
LEAST_SHARE = 0.12  # of the picture that must be backdrop
MAX_ERROR = 0.06  # median error of the fit: a structured backdrop is no witness
_THUMBNAIL = 192


def even_light(subject: Subject, strength: float) -> tuple[Subject, StepNote]:
    """Divide out `strength` (0..1) of the change of light across a plain backdrop."""
    if strength == 0.0:
        return subject, StepNote(False, {"strength": 0.0})
    if subject.alpha is None or subject.backdrop is None:
        return subject, StepNote(False, {}, "no plain backdrop shows how the light changes")
    shrink = min(1.0, _THUMBNAIL / max(subject.width, subject.height))
    size = max(8, round(subject.width * shrink)), max(8, round(subject.height * shrink))
    small = np.asarray(cv2.resize(subject.pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    alpha = np.asarray(cv2.resize(subject.alpha, size, interpolation=cv2.INTER_AREA))
    reach = max(3, round(0.03 * max(size)) | 1)
    backdrop = cv2.dilate((alpha > 0.01).astype(np.uint8), np.ones((reach, reach), np.uint8)) == 0
    light = to_light(small).astype(np.float64)
    backdrop &= (light.max(axis=-1) < 0.98) & (light.min(axis=-1) > 0.01)
    if backdrop.mean() < LEAST_SHARE:
        return subject, StepNote(False, {}, "too little of the backdrop is left to measure, or it is clipped")
    fields, error = _fit(light, backdrop)
    product = alpha > 0.5
    if not product.any():
        product = np.ones(alpha.shape, bool)
    change = float(np.ptp(fields[product], axis=0).max())
    detail: Detail = {"change": round(change, 4), "error": round(error, 4)}
    if change < LEAST_CHANGE:
        return subject, StepNote(False, detail)
    if error > MAX_ERROR or change > MOST_CHANGE:
        return subject, StepNote(False, detail, "the backdrop is no even sheet: it does not tell the light")
    gains = np.exp(-strength * (fields - fields[product].mean(axis=0))).astype(np.float32)
    field: Plane = np.asarray(
        cv2.resize(gains, (subject.width, subject.height), interpolation=cv2.INTER_LINEAR)
    )
    pixels = to_pixels(to_light(subject.pixels) * field)
    return replace(subject, pixels=pixels), StepNote(True, detail | {"strength": strength})


def _fit(light: Values, backdrop: npt.NDArray[np.bool_]) -> tuple[Values, float]:
    """Quadratic surfaces through the logarithm of the backdrop's light: [h, w, 3], and the median error.

    Refitted without what lies far below the surface: shadows.
    """
    height, width = backdrop.shape
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(down), across, down, across * across, across * down, down * down], axis=-1)
    samples, values = terms[backdrop], np.log(light[backdrop])
    kept = np.ones(len(samples), bool)
    for _ in range(3):
        solution = np.linalg.lstsq(samples[kept], values[kept], rcond=None)[0]
        residual = (values - samples @ solution).mean(axis=1)
        spread = max(0.004, 1.4826 * float(np.median(np.abs(residual[kept]))))
        kept = residual > -2.5 * spread
    error = float(np.median(np.abs(values[kept] - samples[kept] @ solution)))
    return np.asarray(terms @ solution), error
