"""How far each pixel is from the sheet, as the network before plain sheets is told it."""

from __future__ import annotations

import cv2
import numpy as np

from imagegen_postprocess.colour.linear import to_lab
from imagegen_postprocess.subject import Pixels, Plane


def difference_from(surface: Plane, tolerance: float, pixels: Pixels) -> Plane:
    """Lab difference over what the sheet's own noise explains, float32 [h, w, 3].

    surface: Lab of the sheet behind the picture, float32 [., ., 3] in any size. tolerance: Delta E that its
    noise explains. pixels: uint8 sRGB [h, w, 3].
    """
    height, width = pixels.shape[:2]
    behind = cv2.resize(surface, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray((to_lab(pixels) - behind) / np.float32(tolerance), np.float32)
