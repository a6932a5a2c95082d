"""White balance: gains per channel in linear light that make a measured neutral grey.

Three witnesses, best first: a backdrop that is meant to be white; for a picture without a cut-out, several
statistical estimators (shades-of-gray, brightest patch, principal axis) when they agree on a cast that a lamp
can have and that is larger than their usual error; nothing, when they do not. A product alone is no witness:
a red bag is not a grey bag under red light.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from imagegen_postprocess.colour.linear import LUMINANCE, apply_gains, to_light
from imagegen_postprocess.report import Detail, StepNote
from imagegen_postprocess.subject import Rgb, Subject

Light = npt.NDArray[np.float64]

# A backdrop beyond these was chosen for its colour. Lamps differ from daylight along red-blue (white paper
# under tungsten light that a camera has half corrected reaches ln 1.5) and hardly along green-magenta (pastel
# pink and mint begin near 0.2).
WHITE_MIN_LUMINANCE = 0.27
WHITE_MAX_WARMTH = 0.45  # |ln(red / blue)|
WHITE_MAX_TINT = 0.15  # |ln(green / sqrt(red * blue))|
NEUTRAL_ANGLE = 0.4  # degrees; below one 8-bit code in a light grey
# Of a scene: chosen on 99 photos with and without lamps put onto them (benchmarks/bench_colour.py). Where the
# three agree about a good photo they are still up to 4 degrees off, so less is not acted on.
AGREEMENT_ANGLE = 2.0
LEAST_SCENE_ANGLE, MOST_SCENE_ANGLE = 4.0, 16.0
_DARKEST = 0.02  # linear light of a channel; a backdrop below it would be multiplied into noise
_THUMBNAIL = 256
_MINKOWSKI = 6  # shades-of-gray norm (Finlayson and Trezzi 2004)
_EXTREMES = 0.035  # of the pixels, at either end of brightness, that give the axis (Cheng et al. 2014)


def balance_white(
    subject: Subject, strength: float, *, white_backdrop: bool = False
) -> tuple[Subject, StepNote]:
    """Remove `strength` (0..1) of the measured cast from product and backdrop; greys keep their luminance.

    white_backdrop: somebody who knows says that the backdrop is white, whatever colour it has in the picture.
    """
    if strength == 0.0:
        return subject, StepNote(False, {"strength": 0.0})
    if subject.alpha is not None and subject.backdrop is None:
        return subject, StepNote(
            False, {}, "no backdrop to measure, and a product alone does not tell the light"
        )
    if subject.backdrop is not None:
        cast, source = np.array(subject.backdrop, np.float64), "backdrop"
        if not (is_meant_white(subject.backdrop) or (white_backdrop and min(subject.backdrop) > _DARKEST)):
            return subject, StepNote(
                False,
                _describe(cast, source),
                "the backdrop has a colour of its own: it does not tell the light",
            )
    else:
        estimates = _estimate_scene(subject)
        spread = max(_angle(one, other) for one in estimates for other in estimates)
        cast, source = np.mean([one / one.sum() for one in estimates], axis=0), "scene statistics"
        if (
            spread > AGREEMENT_ANGLE
            or _angle_from_grey(cast) > MOST_SCENE_ANGLE
            or abs(_tint(cast)) > WHITE_MAX_TINT
        ):
            detail = _describe(cast, source) | {"spread_degrees": round(spread, 2)}
            return subject, StepNote(
                False, detail, "the estimates of the light disagree: unsure, colours are kept"
            )
    detail = _describe(cast, source)
    if _angle_from_grey(cast) < (NEUTRAL_ANGLE if source == "backdrop" else LEAST_SCENE_ANGLE):
        return subject, StepNote(False, detail)
    gains = (float(LUMINANCE @ cast) / cast) ** strength
    red, green, blue = (float(gain) for gain in gains)
    detail |= {"strength": strength, "gains": [round(red, 4), round(green, 4), round(blue, 4)]}
    backdrop = subject.backdrop
    if backdrop is not None:
        backdrop = (backdrop[0] * red, backdrop[1] * green, backdrop[2] * blue)
    balanced = Subject(apply_gains(subject.pixels, (red, green, blue)), subject.alpha, backdrop)
    return balanced, StepNote(True, detail)


def is_meant_white(backdrop: Rgb) -> bool:
    """Whether a backdrop (linear RGB) is light and close enough to grey to have been white paper or cloth."""
    if float(LUMINANCE @ np.array(backdrop, np.float32)) < WHITE_MIN_LUMINANCE:
        return False
    red, _, blue = (math.log(max(value, 1e-4)) for value in backdrop)
    return abs(red - blue) <= WHITE_MAX_WARMTH and abs(_tint(np.array(backdrop))) <= WHITE_MAX_TINT


def _tint(light: Light) -> float:
    """How green (above 0) or magenta (below) a light is: lamps differ little in it."""
    red, green, blue = (math.log(max(float(value), 1e-4)) for value in light)
    return green - (red + blue) / 2


def _estimate_scene(subject: Subject) -> list[Light]:
    """Linear RGB of the light by three estimators on a thumbnail, clipped and near-black pixels left out."""
    shrink = min(1.0, _THUMBNAIL / max(subject.width, subject.height))
    size = max(1, round(subject.width * shrink)), max(1, round(subject.height * shrink))
    thumbnail = np.asarray(cv2.resize(subject.pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    light = to_light(thumbnail).reshape(-1, 3).astype(np.float64)
    usable = light[(light.max(axis=1) < 0.95) & (light.max(axis=1) > 0.005)]
    if len(usable) < 64:
        usable = light + 1e-6
    bright = usable[usable.sum(axis=1) >= np.quantile(usable.sum(axis=1), 0.97)]
    mean = usable.mean(axis=0)
    along = usable @ mean
    low, high = np.quantile(along, (_EXTREMES, 1 - _EXTREMES))
    extremes = usable[(along <= low) | (along >= high)]
    return [
        (usable**_MINKOWSKI).mean(axis=0) ** (1 / _MINKOWSKI),
        bright.mean(axis=0),
        np.abs(np.linalg.eigh(extremes.T @ extremes).eigenvectors[:, -1]),
    ]


def _describe(cast: Light, source: str) -> Detail:
    return {"source": source, "cast_degrees": round(_angle_from_grey(cast), 2)}


def _angle_from_grey(light: Light) -> float:
    return _angle(light, np.ones(3))


def _angle(one: Light, other: Light) -> float:
    """Angle in degrees between two colours of light, the usual error measure of colour constancy."""
    cosine = float(one @ other) / max(1e-12, float(np.linalg.norm(one)) * float(np.linalg.norm(other)))
    return float(np.degrees(np.arccos(min(1.0, cosine))))
