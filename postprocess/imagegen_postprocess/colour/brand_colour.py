"""Brand colour: the product's dominant colour becomes the one asked for, its shading and texture stay.

What belongs to the dominant colour is told by chromaticity, which shading does not change: the folds of a red
bag are red, its buckle is not. There lightness moves as a whole, but for black and white, which stay
where they are, and colour is shifted in proportion to light, so that highlights stay white. The outcome is
measured as the colour was, and the shift corrected a few times by what is missing.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from imagegen_postprocess.colour.difference import ciede2000
from imagegen_postprocess.colour.linear import lab_to_light, to_lab, to_light, to_pixels
from imagegen_postprocess.report import Detail, StepNote
from imagegen_postprocess.subject import Pixels, Plane, Subject

Triple = npt.NDArray[np.float64]

CLOSE = 2.0  # CIEDE2000 that passes for the colour asked for
ROUNDS = 6
_SAMPLES = 40_000
_BANDWIDTH = np.array([16.0, 9.0, 9.0])  # of the mode, in L*, a*, b*
_SAME, _OTHER = 0.05, 0.12  # distance of chromaticities (r, g): surely the same colour, surely another
_DARK = 0.02  # linear light below which chromaticity is mostly noise


def match_brand_colour(subject: Subject, target: str) -> tuple[Subject, StepNote]:
    """Shift the product's dominant colour to `target`, "#rrggbb". Without a cut-out nothing is done."""
    asked = to_lab(np.array([[_rgb(target)]], np.uint8))[0, 0].astype(np.float64)
    detail: Detail = {"target": target}
    if subject.alpha is None:
        return subject, StepNote(False, detail, "no cut-out: nobody knows which colour is the product's")
    sample = _sample(subject.pixels, subject.alpha)
    own = dominant_lab(sample)
    before = float(ciede2000(own, asked))
    detail |= {"colour_before": _hex(own), "difference_before": round(before, 2)}
    if before < 0.5:
        return subject, StepNote(False, detail | {"difference_after": round(before, 2)})
    weights = _membership(sample, own)
    aim, best, least = asked.copy(), asked.copy(), np.inf
    for _ in range(ROUNDS):
        reached = dominant_lab(_shifted(sample, weights, own, aim), near=asked)
        missing = float(ciede2000(reached, asked))
        if missing < least:
            best, least = aim.copy(), missing
        if missing < 0.3:
            break
        aim = np.clip(aim + 0.8 * (asked - reached), (2, -110, -110), (98, 110, 110))
    pixels = subject.pixels.copy()
    visible = subject.alpha > 0
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    part = pixels[box]
    pixels[box] = _shifted(part, _membership(part, own), own, best)
    result = replace(subject, pixels=pixels)
    after = dominant_lab(_sample(pixels, subject.alpha), near=asked)
    least = float(ciede2000(after, asked))
    detail |= {
        "colour_after": _hex(after),
        "difference_after": round(least, 2),
        "share": round(float(weights.mean()), 3),
    }
    note = "" if least <= CLOSE else f"the colour asked for was missed by CIEDE2000 {least:.1f}"
    return result, StepNote(True, detail, note)


def dominant_colour(subject: Subject) -> str:
    """The product's dominant colour as "#rrggbb"; of the whole picture without a cut-out."""
    alpha = subject.alpha if subject.alpha is not None else np.ones(subject.pixels.shape[:2], np.float32)
    return _hex(dominant_lab(_sample(subject.pixels, alpha)))


def dominant_lab(sample: Pixels, near: Triple | None = None) -> Triple:
    """The colour around which most of the pixels [1, N, 3] lie: the mode of their density in L*a*b*.

    near: look for the mode from there instead of from the fullest place.
    """
    lab = to_lab(sample)[0].astype(np.float64)
    centre = near
    if centre is None:
        steps = np.floor(lab / (12.5, 8.0, 8.0)).astype(np.int64) + 64
        cells, member = np.unique(steps @ (1, 256, 65536), return_inverse=True)
        fullest = np.bincount(member, minlength=len(cells)).argmax()
        centre = np.median(lab[member == fullest], axis=0)
    for _ in range(12):
        weights = np.exp(-0.5 * (((lab - centre) / _BANDWIDTH) ** 2).sum(axis=1))
        if weights.sum() < 1e-6 * len(lab):  # nothing near: where it was is the answer
            break
        moved = (weights[:, None] * lab).sum(axis=0) / weights.sum()
        done = np.abs(moved - centre).max() < 0.02
        centre = moved
        if done:
            break
    return np.asarray(centre)


def _membership(pixels: Pixels, own: Triple) -> Plane:
    """How much each pixel [..., 3] is of the dominant colour, 0..1, by chromaticity."""
    light = to_light(pixels)
    total = light.sum(axis=-1)
    main = lab_to_light(own.astype(np.float32)[None, None])[0, 0]
    distance = np.zeros(total.shape, np.float32)
    for channel in (0, 1):
        share = light[..., channel] / np.maximum(total, 1e-4)
        distance += (share - main[channel] / max(1e-4, float(main.sum()))) ** 2
    # Where there is hardly light, whatever is next to the colour counts as the colour.
    slack = 1 + np.clip(_DARK * 3 / np.maximum(total, 1e-3) - 1, 0, 3)
    closeness = np.clip((_OTHER - np.sqrt(distance) / slack) / (_OTHER - _SAME), 0, 1)
    return np.asarray(closeness * closeness * (3 - 2 * closeness), np.float32)


def _shifted(pixels: Pixels, weights: Plane, own: Triple, aim: Triple) -> Pixels:
    """The pixels with the dominant colour `own` moved to `aim` as far as they belong to it."""
    lab = to_lab(pixels)
    lightness = lab[..., 0]
    # Lightness is moved as a whole, which keeps every contrast; towards black and white less and less.
    shift = float(aim[0] - own[0])
    margin = max(6.0, 2.0 * abs(shift))
    low_knot, high_knot = min(float(own[0]), margin), max(float(own[0]), 100 - margin)
    curve = np.interp(
        np.arange(0, 100.5, 0.5),
        (0, max(low_knot, 0.01), high_knot + 0.01, 100.02),
        (0, low_knot + shift, high_knot + shift, 100),
    ).astype(np.float32)
    # A corner would be an edge in a smooth surface.
    curve = cv2.GaussianBlur(
        np.pad(curve[None], ((0, 0), (40, 40)), "reflect", reflect_type="odd"), (0, 0), 10
    )
    curve = np.asarray(curve[0, 40:-40])
    place = np.clip(lightness * 2, 0, 200)
    low = np.minimum(place.astype(np.int32), 199)
    moved = curve[low] + (curve[low + 1] - curve[low]) * (place - low)
    light = np.interp(np.arange(0, 101), (0, own[0], 100), (0, 1, 0)).astype(np.float32)
    lit = light[np.clip(np.rint(lightness), 0, 100).astype(np.int32)] ** 0.6
    shifted = lab.copy()
    shifted[..., 0] += weights * (moved - lightness)
    for channel in (1, 2):
        shifted[..., channel] += weights * lit * np.float32(aim[channel] - own[channel])
    changed = to_pixels(lab_to_light(shifted))
    return np.where((weights > 0)[..., None], changed, pixels)


def _sample(pixels: Pixels, alpha: Plane) -> Pixels:
    """Up to 40,000 of the product's pixels as [1, N, 3]."""
    product = pixels[alpha > 0.9]
    if len(product) < 16:
        product = pixels[alpha > 0] if (alpha > 0).any() else pixels.reshape(-1, 3)
    return np.ascontiguousarray(product[:: max(1, len(product) // _SAMPLES)][None])


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _hex(lab: Triple) -> str:
    red, green, blue = to_pixels(lab_to_light(lab.astype(np.float32)[None, None]))[0, 0]
    return f"#{red:02x}{green:02x}{blue:02x}"
