"""A closer look at a product that fills little of its picture: the same steps on the part that holds it.

Network and division work on a few hundred pixels a side. A rack that takes a tenth of a photo is a handful of
them, its posts none. What the sheet's colour tells to be bare is left out first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from imagegen_postprocess.background.morphology import shrink
from imagegen_postprocess.background.regions import certain_backdrop
from imagegen_postprocess.background.sheet import Sheet, reduced
from imagegen_postprocess.colour.linear import to_lab
from imagegen_postprocess.subject import Mask, Pixels, Plane, Subject

MARGIN = 0.03  # of the longer side, kept around what may be product or its shadow
WORTHWHILE = 0.85  # share of the picture from which on a closer look shows nothing new


@dataclass(frozen=True)
class Window:
    """rows, columns: of the picture at full size, in pixels."""

    rows: slice
    columns: slice

    def cut(self, pixels: Pixels) -> Pixels:
        """The part of a picture [H, W, 3]."""
        return np.ascontiguousarray(pixels[self.rows, self.columns])

    def seen(self, answer: Plane, width: int, height: int) -> Plane:
        """The part of a network's answer, float32 [h, w], about the picture of [height, width]."""
        rows, columns = (
            slice(round(part.start * count / side), max(1, round(part.stop * count / side)))
            for part, count, side in (
                (self.rows, answer.shape[0], height),
                (self.columns, answer.shape[1], width),
            )
        )
        return np.ascontiguousarray(answer[rows, columns])

    def laid(self, part: Subject, width: int, height: int) -> Subject:
        """The picture of [height, width] whose part this is; beyond it nothing is product.

        A part without alpha is product as a whole.
        """
        pixels, alpha = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.float32)
        pixels[self.rows, self.columns] = part.pixels
        alpha[self.rows, self.columns] = 1.0 if part.alpha is None else part.alpha
        return replace(part, pixels=pixels, alpha=alpha)


def window_around(sheet: Sheet, answer: Plane, width: int, height: int) -> Window | None:
    """Where a product may be, or None where that is nearly everywhere or nowhere.

    sheet: of the picture of [height, width]. answer: the network's, float32 [h, w] in 0..1.
    """
    distance = sheet.distance
    down, across = distance.shape
    seen = np.asarray(cv2.resize(answer, (across, down), interpolation=cv2.INTER_LINEAR)) > 0.5
    # Opened: single pixels off the sheet are noise.
    found = _opened(~certain_backdrop(distance, sheet.tolerance)) | seen
    if not found.any():
        return None
    margin = MARGIN * max(down, across)
    rows, columns = (
        slice(
            max(0, round((places[0] - margin) * side / count)),
            min(side, round((places[-1] + 1 + margin) * side / count)),
        )
        for places, side, count in (
            (np.flatnonzero(found.any(axis=1)), height, down),
            (np.flatnonzero(found.any(axis=0)), width, across),
        )
    )
    share = (rows.stop - rows.start) * (columns.stop - columns.start) / (width * height)
    return Window(rows, columns) if share < WORTHWHILE else None


def closer(sheet: Sheet, pixels: Pixels, window: Window) -> Sheet:
    """The same sheet seen through a window. pixels: uint8 sRGB [H, W, 3], the whole picture."""
    small = reduced(window.cut(pixels))
    surface = sheet.backdrop.surface
    y, x = (
        np.linspace(part.start, part.stop - 1, side, dtype=np.float32) * np.float32(known / whole)
        for part, side, known, whole in (
            (window.rows, small.shape[0], surface.shape[0], pixels.shape[0]),
            (window.columns, small.shape[1], surface.shape[1], pixels.shape[1]),
        )
    )
    across, down = np.meshgrid(x, y)
    seen = cv2.remap(surface, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    backdrop = replace(sheet.backdrop, surface=np.asarray(seen, np.float32))
    return Sheet(small, to_lab(small), backdrop, sheet.plainness)


def _opened(mask: Mask) -> Mask:
    kept = shrink(mask, 1)
    return np.asarray(cv2.dilate(kept.astype(np.uint8), np.ones((3, 3), np.uint8))) > 0
