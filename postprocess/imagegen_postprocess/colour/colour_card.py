"""Colour card: a ColorChecker of 24 patches in the picture says what every colour ought to be.

The card is found by OpenCV's `mcc` (part of OpenCV since 5.0). A 3 by 3 matrix in linear light takes the
patches to what the maker publishes for them; exposure and white balance are in it.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from imagegen_postprocess.colour.difference import ciede2000
from imagegen_postprocess.colour.linear import to_lab, to_light, to_pixels
from imagegen_postprocess.report import Detail, StepNote
from imagegen_postprocess.subject import Plane, Subject

# sRGB (D65) of the classic 24 patches, row by row from dark skin to black, as X-Rite publishes them.
PATCHES = np.array(
    [
        (115, 82, 68), (194, 150, 130), (98, 122, 157), (87, 108, 67), (133, 128, 177), (103, 189, 170),
        (214, 126, 44), (80, 91, 166), (193, 90, 99), (94, 60, 108), (157, 188, 64), (224, 163, 46),
        (56, 61, 150), (70, 148, 73), (175, 54, 60), (231, 199, 31), (187, 86, 149), (8, 133, 161),
        (243, 243, 242), (200, 200, 200), (160, 160, 160), (122, 122, 121), (85, 85, 85), (52, 52, 52),
    ],
    np.uint8,
)  # fmt: skip
WORST = 10.0  # mean CIEDE2000 after the fit; more means that something else was found
_LONGEST = 1200


def calibrate(subject: Subject, strength: float) -> tuple[Subject, StepNote]:
    """Correct all colours by `strength` (0..1) of what the card in the picture says."""
    if strength == 0.0:
        return subject, StepNote(False, {"strength": 0.0})
    measured = _read_card(subject)
    if measured is None:
        return subject, StepNote(False, {}, "no colour card was found in the picture")
    wanted = to_light(PATCHES)
    usable = (measured.max(axis=1) < 0.98) & (measured.min(axis=1) > 0.0005)
    if usable.sum() < 12:
        return subject, StepNote(False, {}, "the colour card is over- or underexposed")
    # Dark patches count as much as light ones: weighted by the inverse of their light.
    weight = 1 / (0.05 + wanted[usable].mean(axis=1, keepdims=True))
    matrix = np.linalg.lstsq(measured[usable] * weight, wanted[usable] * weight, rcond=None)[0]
    reference = to_lab(PATCHES[None])[0]
    before = float(ciede2000(to_lab(to_pixels(measured)[None])[0], reference).mean())
    after = float(ciede2000(to_lab(to_pixels(measured @ matrix)[None])[0], reference).mean())
    detail: Detail = {"difference_before": round(before, 2), "difference_after": round(after, 2)}
    if after > WORST or after > before:
        return subject, StepNote(False, detail, "what looks like a colour card does not fit one")
    matrix = (strength * matrix + (1 - strength) * np.eye(3)).astype(np.float32)
    pixels = to_pixels(to_light(subject.pixels) @ matrix)
    backdrop = subject.backdrop
    if backdrop is not None:
        red, green, blue = (float(value) for value in np.clip(np.array(backdrop) @ matrix, 0, 1))
        backdrop = (red, green, blue)
    return replace(subject, pixels=pixels, backdrop=backdrop), StepNote(True, detail | {"strength": strength})


def _read_card(subject: Subject) -> Plane | None:
    """Linear light of the 24 patches [24, 3] in the order of PATCHES; None without a card."""
    shrink = min(1.0, _LONGEST / max(subject.width, subject.height))
    size = max(1, round(subject.width * shrink)), max(1, round(subject.height * shrink))
    small = cv2.resize(subject.pixels, size, interpolation=cv2.INTER_AREA)
    detector = cv2.mcc.CCheckerDetector.create()
    detector.setColorChartType(cv2.mcc.MCC24)
    if not detector.process(np.ascontiguousarray(small[..., ::-1])):
        return None
    # 72 rows, three a patch; column 1 is the mean of the patch in code values.
    values = np.asarray(detector.getBestColorChecker().getChartsRGB(), np.float64)[:, 1].reshape(24, 3)
    return to_light(np.clip(np.rint(values), 0, 255).astype(np.uint8))
