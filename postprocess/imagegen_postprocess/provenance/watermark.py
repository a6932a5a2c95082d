"""An imperceptible watermark that says "made by a model", and its detector.

A noise pattern, the same in every picture, is added to the lightness in waves of 10 to 32 pixels, stronger
where the picture is busy (spread spectrum: Cox et al. 1997, with the visual masking of Podilchuk and Zeng
1998). It repeats every 256 pixels, so that the detector can fold a picture onto one tile and find pattern,
offset and scale by the phases of a small Fourier transform: a crop only moves it and a resize only scales it.

It is a sign for those who look in good faith. It carries no message, it is not secret (the pattern is in this
file), and who wants to remove it can: by turning or warping the picture, or by adding a pattern of his own.
Pixels of exactly the background's colour stay as they are: a marketplace asks for pure white.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from imagegen_postprocess.subject import Plane

TILE = 256  # pixels after which the pattern repeats
WAVES = (10.0, 32.0)  # wavelengths in pixels: shorter ones die in a JPEG of half the size, longer ones show
LEAST, MOST = 1.0, 3.0  # standard deviation in code values on a smooth and on a busy surface
BUSY = 0.12  # code values of pattern for each code value of the picture's own local deviation
THRESHOLD = 8.0  # standard deviations of what unmarked phases give
MIN_SIDE = 256
SCALES = (0.45, 1.65)  # of the picture since it was marked

_GRID = 64  # samples of a tile in the detector: its shortest wave has 2.5 of them
_SEED = 20261124
_LARGEST = 2048  # of a larger picture only the middle is looked at
_WINDOW = 17

Complex = npt.NDArray[np.complex64]


@dataclass(frozen=True)
class Watermark:
    """found: the score is above the threshold. score: how many standard deviations the best match of the
    pattern stands above chance. scale: size of the picture now / when it was marked; 0 when not found."""

    found: bool
    score: float
    scale: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def has_room(picture: Image.Image) -> bool:
    """Whether a picture is large enough to be marked."""
    return min(picture.size) >= MIN_SIDE


def embed_watermark(picture: Image.Image) -> Image.Image:
    """The picture (RGB or RGBA) with the watermark in it; the same picture gives the same pixels.

    Below 256 pixels a side it has no room and the picture is returned as it is.
    """
    if not has_room(picture):
        return picture
    pixels = np.asarray(picture)
    colour = pixels[..., :3]
    marked = _markable(pixels)
    height, width = marked.shape
    lightness = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY).astype(np.float32)
    strength = np.clip(BUSY * _deviation(lightness), LEAST, MOST) * marked
    tiles = math.ceil(height / TILE), math.ceil(width / TILE)
    change = np.tile(_pattern(), tiles)[:height, :width] * strength
    # Each pixel's three channels move alike; where one of them would leave 0..255 all stay within.
    room = np.clip(
        change, -colour.min(axis=-1).astype(np.float32), 255 - colour.max(axis=-1).astype(np.float32)
    )
    result = pixels.copy()
    result[..., :3] = np.rint(colour + room[..., None]).astype(np.uint8)
    return Image.fromarray(result, picture.mode)


def detect_watermark(picture: Image.Image) -> Watermark:
    """Look for the watermark in a picture of any mode, scaled to 50 to 150 %, cropped or saved as a JPEG."""
    grey = picture.convert("L")
    if min(grey.size) < MIN_SIDE // 2:
        return Watermark(False, 0.0, 0.0)
    left, top = max(0, (grey.width - _LARGEST) // 2), max(0, (grey.height - _LARGEST) // 2)
    middle = grey.crop((left, top, min(grey.width, left + _LARGEST), min(grey.height, top + _LARGEST)))
    residual = _whitened(np.asarray(middle, np.float32))
    best, at = 0.0, 0.0
    for scale in _scales(max(residual.shape)):
        score = _score(residual, scale)
        if score > best:
            best, at = score, scale
    found = best >= THRESHOLD
    return Watermark(found, round(best, 2), round(at, 3) if found else 0.0)


def _markable(pixels: npt.NDArray[np.uint8]) -> Plane:
    """1 on the product, 0 on the background (the corners' colour, or transparent), soft between: [H, W]."""
    if pixels.shape[2] == 4:
        product = pixels[..., 3] == 255
    else:
        corner = pixels[0, 0]
        plain = all((pixels[y, x] == corner).all() for y in (0, -1) for x in (0, -1))
        product = (pixels != corner).any(axis=-1) if plain else np.ones(pixels.shape[:2], bool)
    soft = cv2.erode(product.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)
    return np.asarray(cv2.blur(soft, (5, 5)) * product, np.float32)


def _deviation(plane: Plane) -> Plane:
    mean, square = cv2.blur(plane, (_WINDOW, _WINDOW)), cv2.blur(plane * plane, (_WINDOW, _WINDOW))
    return np.asarray(np.sqrt(np.maximum(square - mean * mean, 0.0)), np.float32)


def _whitened(lightness: Plane) -> Plane:
    """The picture without its shapes and with every surface as loud as the next: the pattern's own band over
    the local deviation."""
    fine = cv2.GaussianBlur(lightness, (0, 0), 1.0) - cv2.GaussianBlur(lightness, (0, 0), 7.0)
    loudness = np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), 7.0)) + 0.5
    return np.asarray(np.clip(fine / loudness, -2.0, 2.0), np.float32)


def _scales(side: int) -> list[float]:
    """Every scale that can be told from the next: at the picture's edge the shortest waves are a quarter of
    their length off."""
    step = 0.5 * WAVES[0] / side
    count = math.ceil(math.log(SCALES[1] / SCALES[0]) / step)
    return [1.0, *(SCALES[0] * math.exp(step * index) for index in range(count + 1))]


def _score(residual: Plane, scale: float) -> float:
    shrink = _GRID / (TILE * scale)
    height, width = round(residual.shape[0] * shrink), round(residual.shape[1] * shrink)
    small = cv2.resize(residual, (width, height), interpolation=cv2.INTER_AREA)
    rows, columns = math.ceil(height / _GRID), math.ceil(width / _GRID)
    padded = np.zeros((rows * _GRID, columns * _GRID), np.float32)
    padded[:height, :width] = small
    folded = padded.reshape(rows, _GRID, columns, _GRID).sum(axis=(0, 2))
    spectrum = np.fft.rfft2(folded)[_band(_GRID)]
    phases = spectrum / np.maximum(np.abs(spectrum), 1e-9)
    correlation = np.zeros((_GRID, _GRID // 2 + 1), np.complex128)
    correlation[_band(_GRID)] = phases * np.conj(_waves())
    peak = float(np.fft.irfft2(correlation, (_GRID, _GRID)).max()) * _GRID * _GRID
    return peak / math.sqrt(2 * len(_waves()))


@cache
def _band(side: int) -> npt.NDArray[np.bool_]:
    """Which of a tile's frequencies (rfft2's layout, one of each conjugate pair) carry the pattern."""
    down, across = np.fft.fftfreq(side, 1 / side)[:, None], np.fft.rfftfreq(side, 1 / side)[None]
    radius = np.hypot(down, across)
    pairs = (across > 0) | (down > 0)
    return np.asarray((radius >= TILE / WAVES[1]) & (radius <= TILE / WAVES[0]) & pairs)


@cache
def _waves() -> Complex:
    """The pattern: a phase for each frequency of the band, in the order of `_band(_GRID)`."""
    turns = np.random.Generator(np.random.PCG64(_SEED)).random(int(_band(_GRID).sum()))
    return np.asarray(np.exp(2j * np.pi * turns), np.complex64)


@cache
def _pattern() -> Plane:
    """One tile [256, 256], mean 0, standard deviation 1, at most 3."""
    spectrum = np.zeros((TILE, TILE // 2 + 1), np.complex64)
    side = _GRID // 2
    small = np.zeros((_GRID, side + 1), np.complex64)
    small[_band(_GRID)] = _waves()
    spectrum[:side, : side + 1], spectrum[-side:, : side + 1] = small[:side], small[-side:]
    # A real picture needs both of each pair on the axis that rfft2 keeps whole.
    column = spectrum[:, 0]
    column[1:] += np.conj(column[:0:-1])
    tile = np.fft.irfft2(spectrum, (TILE, TILE))
    return np.asarray(np.clip(tile / tile.std(), -3, 3), np.float32)
