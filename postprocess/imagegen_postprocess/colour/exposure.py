"""Exposure: one bounded gain in linear light, judged on the product and on a backdrop meant to be white."""

from __future__ import annotations

import numpy as np

from imagegen_postprocess.colour.linear import LUMINANCE, apply_gains, to_light
from imagegen_postprocess.colour.white_balance import is_meant_white
from imagegen_postprocess.planes import columns_of, largest
from imagegen_postprocess.report import Detail, StepNote
from imagegen_postprocess.subject import Plane, Subject

MAX_GAIN_BACKDROP = 3.0  # 1.6 stops: a white sheet that came out grey says how much light was missing
MAX_GAIN_GREY = 2.0  # one stop: what has something lighter than the sheet before it may be a grey sheet
LIGHTER = 1.15  # times the sheet's light
MAX_GAIN_PRODUCT = 1.25  # a third of a stop: a dark product may simply be dark
BRIGHT_ENOUGH = (
    0.35  # linear light of the product's highlights; below it, without a backdrop, it counts as dim
)
HIGHLIGHT_ROOM = 0.97  # highlights of the product are not pushed beyond this
SMALLEST_GAIN = 1.02
_SAMPLES = 200_000


def expose(subject: Subject, strength: float) -> tuple[Subject, StepNote]:
    """Brighten by `strength` (0..1) of the measured gain; never darkens, clipped highlights are lost."""
    if strength == 0.0:
        return subject, StepNote(False, {"strength": 0.0})
    light = _product_light(subject)
    dark, middle, bright = (float(value) for value in np.percentile(light @ LUMINANCE, (1, 50, 99)))
    highlight = float(np.percentile(largest(columns_of(light)), 99.5))
    detail: Detail = {"p01": round(dark, 4), "p50": round(middle, 4), "p99": round(bright, 4)}
    if subject.backdrop is not None and is_meant_white(subject.backdrop):
        paper = float(LUMINANCE @ np.array(subject.backdrop, np.float32))
        detail |= {"source": "backdrop", "backdrop": round(paper, 4)}
        white = highlight <= LIGHTER * max(subject.backdrop)
        gain = min(MAX_GAIN_BACKDROP if white else MAX_GAIN_GREY, 1.0 / paper)
    else:
        detail["source"] = "product"
        gain = min(MAX_GAIN_PRODUCT, BRIGHT_ENOUGH / max(bright, 1e-4))
    gain = min(gain, HIGHLIGHT_ROOM / max(highlight, 1e-4)) ** strength if gain > 1 else 1.0
    if gain < SMALLEST_GAIN:
        return subject, StepNote(False, detail)
    detail |= {"strength": strength, "gain": round(gain, 4), "stops": round(float(np.log2(gain)), 3)}
    backdrop = subject.backdrop
    if backdrop is not None:
        backdrop = (min(1.0, backdrop[0] * gain), min(1.0, backdrop[1] * gain), min(1.0, backdrop[2] * gain))
    exposed = Subject(apply_gains(subject.pixels, (gain, gain, gain)), subject.alpha, backdrop)
    return exposed, StepNote(True, detail)


def _product_light(subject: Subject) -> Plane:
    """Linear RGB [N, 3] of the product (of everything without a cut-out), thinned to about 200,000 pixels."""
    pixels = subject.pixels.reshape(-1, 3)
    product = np.empty(0, np.intp) if subject.alpha is None else np.flatnonzero(subject.alpha > 0.5)
    count = len(product) or len(pixels)
    step = max(1, count // _SAMPLES)
    return to_light(pixels[product[::step]] if len(product) else pixels[::step])
