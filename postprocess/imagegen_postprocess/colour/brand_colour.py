"""Brand colour: the product's dominant colour becomes the one asked for, its shading and texture stay.

What belongs to the dominant colour is told by chromaticity, which shading does not change: the folds of a red
bag are red, its buckle is not. There lightness moves as a whole, which keeps every contrast, and only what
would leave 0..100 is pressed together; colour is shifted in proportion to light, so that highlights stay
white. The outcome is measured as the colour was, and the shift corrected until nothing more is gained.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from imagegen_postprocess.colour.difference import ciede2000
from imagegen_postprocess.colour.linear import lab_to_light, to_lab, to_light, to_pixels
from imagegen_postprocess.report import Detail, StepNote
from imagegen_postprocess.subject import Pixels, Plane, Subject

Triple = npt.NDArray[np.float64]
Values = TypeVar("Values", Pixels, Plane)

CLOSE = 2.0  # CIEDE2000 that passes for the colour asked for
ROUNDS = 12
NEAR_ENOUGH = 0.3  # CIEDE2000 at which the search ends
_SAMPLES = 40_000
_BANDWIDTH = np.array([16.0, 9.0, 9.0])  # of the mode, in L*, a*, b*
_SAME, _OTHER = 0.05, 0.12  # distance of chromaticities (r, g): surely the same colour, surely another
_DARK = 0.02  # linear light below which chromaticity is mostly noise
_FAR_END = 0.8  # of the shift that black (when lightened) or white (when darkened) takes part in
_PRESSED = 0.3  # contrast that is left where lightness would go beyond 0..100
_CORNER = 12  # L* over which the curve of lightness bends
_REACH = 0.03  # of the picture's longer side: radius of the filter that draws where lightness is moved
_EDGE = 5.0  # L* that is an edge to this filter


def match_brand_colour(subject: Subject, target: str) -> tuple[Subject, StepNote]:
    """Shift the product's dominant colour to `target`, "#rrggbb". Without a cut-out nothing is done."""
    asked = to_lab(np.array([[_rgb(target)]], np.uint8))[0, 0].astype(np.float64)
    detail: Detail = {"target": target}
    if subject.alpha is None or not subject.alpha.any():
        return subject, StepNote(False, detail, "no cut-out: nobody knows which colour is the product's")
    own = dominant_lab(_sample(subject.pixels, subject.alpha))
    before = float(ciede2000(own, asked))
    detail |= {"colour_before": _hex(own), "difference_before": round(before, 2)}
    if before < 0.5:
        return subject, StepNote(False, detail | {"difference_after": round(before, 2)})
    box = _box(subject.alpha)
    part, visible = subject.pixels[box], subject.alpha[box]
    colour = _membership(part, own)
    members = np.stack([_drawn_by_lightness(part, colour), colour], axis=-1)
    sample, weights = _sample(part, visible), _sample(members, visible)
    aim = _aim(sample, weights, own, asked)
    pixels = subject.pixels.copy()
    pixels[box] = _shifted(part, members, own, aim)
    after = dominant_lab(_sample(pixels, subject.alpha), near=asked)
    least = float(ciede2000(after, asked))
    detail |= {
        "colour_after": _hex(after),
        "difference_after": round(least, 2),
        "share": round(float(weights[..., 1].mean()), 3),
    }
    note = "" if least <= CLOSE else f"the colour asked for was missed by CIEDE2000 {least:.1f}"
    return replace(subject, pixels=pixels), StepNote(True, detail, note)


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


def _aim(sample: Pixels, weights: Plane, own: Triple, asked: Triple) -> Triple:
    """The L*a*b* to shift `own` to so that the sample's dominant colour comes out nearest to `asked`.

    Not `asked` itself: highlights that lose their colour and colours beyond sRGB's gamut pull the mode away.
    """
    aim, best, least, step = asked, asked, np.inf, 0.8
    missing = np.zeros(3)
    for _ in range(ROUNDS):
        reached = dominant_lab(_shifted(sample, weights, own, aim), near=asked)
        difference = float(ciede2000(reached, asked))
        if difference < least:
            best, least, missing, step = aim, difference, asked - reached, min(1.0, 1.2 * step)
        else:
            step /= 2
        if least < NEAR_ENOUGH:
            break
        aim = np.clip(best + step * missing, (0, -120, -120), (100, 120, 120))
    return best


def _membership(pixels: Pixels, own: Triple) -> Plane:
    """How much each pixel [H, W, 3] is of the dominant colour, 0..1, by chromaticity."""
    # A camera's and a JPEG's noise in the colour of dark pixels would be holes in a surface.
    light = to_light(np.asarray(cv2.bilateralFilter(pixels, 5, 20, 2), np.uint8))
    total = light.sum(axis=-1)
    main = lab_to_light(own.astype(np.float32)[None, None])[0, 0]
    distance = np.zeros(total.shape, np.float32)
    for channel in (0, 1):
        share = light[..., channel] / np.maximum(total, 1e-4)
        distance += (share - main[channel] / max(1e-4, float(main.sum()))) ** 2
    # Where there is hardly light, whatever is next to the colour counts as the colour.
    slack = 1 + np.clip(_DARK * 3 / np.maximum(total, 1e-3) - 1, 0, 3)
    closeness = np.clip((_OTHER - np.sqrt(distance) / slack) / (_OTHER - _SAME), 0, 1)
    return np.asarray(cv2.GaussianBlur(closeness * closeness * (3 - 2 * closeness), (0, 0), 0.8), np.float32)


def _drawn_by_lightness(pixels: Pixels, members: Plane) -> Plane:
    """The same shares [H, W] without edges where lightness has none: a step there would be a crease in a
    smooth surface. A guided filter (He, Sun and Tang 2013) with lightness as the guide."""
    lightness = to_lab(pixels)[..., 0]
    radius = max(1, round(_REACH * max(members.shape)))

    def mean(plane: Plane) -> Plane:
        return np.asarray(cv2.blur(plane, (2 * radius + 1, 2 * radius + 1)), np.float32)

    middle, share = mean(lightness), mean(members)
    spread = mean(lightness * lightness) - middle * middle
    slope = np.asarray((mean(lightness * members) - middle * share) / (spread + _EDGE**2), np.float32)
    return np.asarray(np.clip(mean(slope) * lightness + mean(share - slope * middle), 0, 1), np.float32)


def _shifted(pixels: Pixels, weights: Plane, own: Triple, aim: Triple) -> Pixels:
    """The pixels [..., 3] with the dominant colour `own` moved to `aim` as far as they belong to it.

    weights: [..., 2], how much lightness and how much colour takes part. What sRGB cannot show is clipped:
    keeping its lightness and taking its colour instead was measured, and misses saturated colours.
    """
    lab = to_lab(pixels)
    lightness = lab[..., 0]
    curve = _lightness_curve(float(own[0]), float(aim[0] - own[0]))
    moved = np.interp(lightness, np.arange(len(curve)) / 2, curve).astype(np.float32)
    lit = np.interp(lightness, (0, float(own[0]), 100), (0, 1, 0)).astype(np.float32) ** np.float32(0.6)
    shifted = lab.copy()
    shifted[..., 0] += weights[..., 0] * (moved - lightness)
    for channel in (1, 2):
        shifted[..., channel] += weights[..., 1] * lit * np.float32(aim[channel] - own[channel])
    taking_part = np.asarray(weights.max(axis=-1, keepdims=True) > 0)
    return np.where(taking_part, to_pixels(lab_to_light(shifted)), pixels)


def _lightness_curve(own: float, shift: float) -> npt.NDArray[np.float64]:
    """L* after for L* 0, 0.5, ... 100 before: all of it moves by `shift`, but what would leave 0..100 is
    pressed together, and the far end (black, when the product gets lighter) stays behind a little."""
    if shift < 0:
        return 100.0 - _lightness_curve(100.0 - own, -shift)[::-1]
    knee = max(own, 100 - shift / (1 - _PRESSED))
    places = (0.0, max(own, 0.01), knee + 0.02, 100.03)
    corners = np.interp(
        np.arange(0, 100.5, 0.5), places, (_FAR_END * shift, own + shift, knee + shift, 100.0)
    )
    # A corner would be an edge in a smooth surface.
    bent = cv2.GaussianBlur(
        np.pad(corners[None], ((0, 0), (40, 40)), "reflect", reflect_type="odd"), (0, 0), _CORNER
    )
    return np.asarray(np.clip(bent[0, 40:-40], 0, 100))


def _box(alpha: Plane) -> tuple[slice, slice]:
    """Where the product is, rows and columns."""
    visible = alpha > 0
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _sample(values: Values, alpha: Plane) -> Values:
    """Up to 40,000 of the product's values [H, W, C] as [1, N, C]."""
    product = values[alpha > 0.9]
    if len(product) < 16:
        product = values[alpha > 0] if (alpha > 0).any() else values.reshape(-1, values.shape[-1])
    return np.ascontiguousarray(product[:: max(1, len(product) // _SAMPLES)][None])


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _hex(lab: Triple) -> str:
    red, green, blue = to_pixels(lab_to_light(lab.astype(np.float32)[None, None]))[0, 0]
    return f"#{red:02x}{green:02x}{blue:02x}"
