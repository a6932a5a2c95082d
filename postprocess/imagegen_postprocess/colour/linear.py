"""The sRGB transfer curve (IEC 61966-2-1): 8-bit code values <-> linear light.

Blending, resampling and gains happen in linear light, because only there does half coverage give half the
light.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from imagegen_postprocess.subject import Pixels, Plane, Rgb

# Rec. 709 luminance of linear sRGB.
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


def decode(code: Plane) -> Plane:
    """sRGB 0..1 -> linear light 0..1, any shape."""
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4).astype(np.float32)


def encode(light: Plane) -> Plane:
    """Linear light -> sRGB 0..1, any shape; light is clipped to 0..1."""
    light = np.clip(light, 0.0, 1.0)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


@cache
def _decoding_table() -> Plane:
    return decode(np.linspace(0, 1, 256, dtype=np.float32))


@cache
def _encoding_table() -> Pixels:
    # 16-bit linear steps resolve every 8-bit sRGB code: the darkest codes are 20 steps apart.
    return np.rint(encode(np.linspace(0, 1, 65536, dtype=np.float32)) * 255).astype(np.uint8)


def to_light(pixels: Pixels) -> Plane:
    """uint8 sRGB [...] -> float32 linear light 0..1, same shape."""
    return np.asarray(_looked_up(pixels, _decoding_table()), np.float32)


def to_pixels(light: Plane) -> Pixels:
    """float32 linear light [...] -> uint8 sRGB, rounded; light is clipped to 0..1. 1.0 gives exactly 255."""
    steps = np.clip(light, 0.0, 1.0) * np.float32(65535) + np.float32(0.5)
    return np.asarray(_looked_up(steps.astype(np.uint16), _encoding_table()), np.uint8)


def _looked_up(codes: npt.NDArray[Any], table: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`table[codes]` of any shape: cv2.LUT takes a quarter of NumPy's time or less."""
    if not codes.size:
        return np.empty(codes.shape, table.dtype)
    return np.asarray(cv2.LUT(codes.reshape(len(codes), -1), table.reshape(1, -1))).reshape(codes.shape)


def apply_gains(pixels: Pixels, gains: Rgb) -> Pixels:
    """Multiply linear light by a gain per channel: uint8 sRGB [H, W, 3] in and out, by one table."""
    table = to_pixels(_decoding_table()[:, None] * np.array(gains, np.float32))
    return np.asarray(cv2.LUT(pixels, table.reshape(1, 256, 3)), np.uint8)


def to_lab(pixels: Pixels) -> Plane:
    """uint8 sRGB [H, W, 3] -> CIE L*a*b* (D65) float32: L 0..100, a and b about -128..127."""
    # Through our own light: OpenCV's conversion from sRGB is off by up to half a code value.
    return np.asarray(cv2.cvtColor(to_light(pixels), cv2.COLOR_LRGB2Lab), np.float32)


def lab_to_light(lab: Plane) -> Plane:
    """CIE L*a*b* [H, W, 3] -> linear light 0..1; colours outside sRGB are clipped."""
    return np.clip(np.asarray(cv2.cvtColor(lab, cv2.COLOR_Lab2LRGB), np.float32), 0.0, 1.0)
