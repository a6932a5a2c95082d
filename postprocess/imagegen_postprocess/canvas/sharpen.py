"""Sharpening, last of all, on the pixels as they will be shown; noise is not an edge."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from imagegen_postprocess.report import Detail, StepNote
from imagegen_postprocess.subject import Mask, Plane

RADIUS = 1.0  # pixels, of the blur whose difference is added
AMOUNT = 1.0  # of that difference, at strength 1
MOST = 24.0  # code values that a pixel is changed by
NOISE = 3.0  # deviations of the noise below which a difference is left alone


def sharpen(picture: Image.Image, strength: float) -> tuple[Image.Image, StepNote]:
    """Add `strength` (0..1) of what a blur takes away to the lightness of RGB or RGBA pixels.

    The noise is estimated from the picture (Immerkaer 1996); differences within it are not amplified. Pixels
    of the background's colour, or transparent, stay as they are.
    """
    if strength == 0.0:
        return picture, StepNote(False, {"strength": 0.0})
    pixels = np.asarray(picture)
    product = pixels[..., 3] > 0 if picture.mode == "RGBA" else (pixels != pixels[0, 0]).any(axis=-1)
    colour = pixels[..., :3]
    lightness = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY).astype(np.float32)
    noise = _noise(lightness, product)
    detail = lightness - cv2.GaussianBlur(lightness, (0, 0), RADIUS)
    floor = NOISE * noise * 0.4  # the blur leaves about 0.4 of white noise's deviation out of account
    cored = np.sign(detail) * np.maximum(np.abs(detail) - floor, 0)
    change = np.clip(AMOUNT * strength * cored, -MOST, MOST) * product
    result = pixels.copy()
    result[..., :3] = np.clip(np.rint(colour + change[..., None]), 0, 255).astype(np.uint8)
    report: Detail = {
        "strength": strength,
        "noise": round(noise, 2),
        "changed": round(float(np.abs(change).mean()), 3),
    }
    return Image.fromarray(result, picture.mode), StepNote(True, report)


def _noise(lightness: Plane, product: Mask) -> float:
    """Standard deviation of the noise, by a mask that smooth shading and straight edges do not answer to."""
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    inside = cv2.erode(product.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if inside.sum() < 64:
        return 0.0
    answer = np.abs(cv2.filter2D(lightness, -1, mask))[inside]
    return float(np.median(answer)) / (6 * 0.6745)
