"""A closer look at a product on a plain sheet: the part that holds it, and its difference from the sheet.

The sheet is fitted as it is for a photo, with the errors of that fit.
"""

import random

import cv2
import numpy as np
from numpy.typing import NDArray

from imagegen_postprocess.background.evidence import difference_from
from imagegen_postprocess.background.sheet import look_behind
from training.cutout.fit import Sample
from training.cutout.foregrounds import Foregrounds
from training.cutout.sheets import on_a_sheet

Pixels = NDArray[np.uint8]

BORDER = (20, 56)  # pixels of sheet around what is looked at
TRIES = 5  # a sheet that its border does not tell is never looked at closer


def close_up(foregrounds: Foregrounds, width: int, height: int, rng: random.Random) -> Sample:
    """Raises RuntimeError where no plain sheet was drawn."""
    for _ in range(TRIES):
        border = rng.randint(*BORDER)
        across, down = width + 2 * border, height + 2 * border
        pixels, alpha = on_a_sheet(foregrounds, across, down, rng)
        # Half as large: a photo's noise is averaged like that before its sheet is fitted.
        half = cv2.resize(pixels, (across // 2, down // 2), interpolation=cv2.INTER_AREA)
        sheet = look_behind(np.asarray(half, np.uint8))
        if not sheet.plainness:
            continue
        surface = cv2.resize(sheet.backdrop.surface, (across, down), interpolation=cv2.INTER_LINEAR)
        part = _around(alpha, width, height, rng)
        seen = np.ascontiguousarray(pixels[part])
        difference = difference_from(np.asarray(surface[part], np.float32), sheet.tolerance, seen)
        return Sample(seen, np.ascontiguousarray(alpha[part]), difference)
    raise RuntimeError(f"no plain sheet in {TRIES} pictures")


def _around(alpha: Pixels, width: int, height: int, rng: random.Random) -> tuple[slice, slice]:
    """Rows and columns of a part of that size, which holds the product where it can."""
    first = []
    for axis, side in ((1, height), (0, width)):
        places, most = np.flatnonzero((alpha > 127).any(axis=axis)), alpha.shape[1 - axis] - side
        low, high = (
            (max(0, int(places[-1]) + 1 - side), min(most, int(places[0]))) if len(places) else (0, most)
        )
        first.append(rng.randint(low, high) if low <= high else most // 2)
    return slice(first[0], first[0] + height), slice(first[1], first[1] + width)
