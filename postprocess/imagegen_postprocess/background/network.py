"""The bundled networks: which pixels are product, whatever stands behind it, and before a plain sheet.

One sees about 320 x 320 pixels of any picture, in its own proportions; the other was taught on from it on
products that fill their plain sheet, and sees up to 448 x 448. Neither knows how sure it may be: the
confidence is the overlap it expects of its own answer.
"""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from imagegen_postprocess.onnx_session import open_session
from imagegen_postprocess.subject import Pixels, Plane

WEIGHTS = Path(__file__).parent / "weights"
FILE, SHEET_FILE = WEIGHTS / "cutout.onnx", WEIGHTS / "cutout-sheet.onnx"
SIDE = 320  # pixels of a square input; other shapes have about as many
CLOSE_SIDE = 448  # of a closer look at a product on a plain sheet: gaps and cables of two pixels become three
MULTIPLE = 32
LEAST, MOST = 96, 640

_inference = threading.Lock()  # a session serves all callers, so its activations are held once


def coverage(pixels: Pixels, threads: int | None = None) -> Plane:
    """The product's share of each pixel at the network's own size, whatever stands behind it.

    pixels: uint8 sRGB [H, W, 3]. Returns float32 [h, w] in 0..1, h and w multiples of 32 (see `seen_size`).
    Raises DependencyMissing, field "cutout", where onnxruntime is not installed.
    """
    return _answer(FILE, pixels, threads, SIDE)


def coverage_on_sheet(pixels: Pixels, threads: int | None = None) -> Plane:
    """As `coverage`, of a product that fills most of a picture of itself on a plain sheet."""
    size = (pixels.shape[0] * pixels.shape[1]) ** 0.5
    return _answer(SHEET_FILE, pixels, threads, round(min(CLOSE_SIDE, max(SIDE, size))))


def _answer(file: Path, pixels: Pixels, threads: int | None, side: int) -> Plane:
    width, height = seen_size(pixels.shape[1], pixels.shape[0], side)
    larger = width * height > pixels.shape[0] * pixels.shape[1]
    resized = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC if larger else cv2.INTER_AREA)
    with _inference:
        (answer,) = _session(file, threads).run(None, {"pixels": resized[None]})
    return np.asarray(answer[0], np.float32)


def seen_size(width: int, height: int, side: int = SIDE) -> tuple[int, int]:
    """Width and height of what the network sees of a picture: its proportions, rounded to multiples of 32.

    Very long pictures are squeezed.
    """
    zoom = side / (width * height) ** 0.5
    across, down = (MULTIPLE * round(length * zoom / MULTIPLE) for length in (width, height))
    return min(MOST, max(LEAST, across)), min(MOST, max(LEAST, down))


def expected_overlap(answer: Plane) -> float:
    """0..1: intersection over union of the answer with its own rounded version.

    1 where every pixel is decided, less the wider the band of doubt is beside the product; 0 for no product.
    """
    product = answer > 0.5
    either = float(answer[~product].sum()) + float(product.sum())
    return float(answer[product].sum()) / either if product.any() else 0.0


@lru_cache(maxsize=2)
def _session(file: Path, threads: int | None) -> Any:
    """The sessions that are kept; loading one takes a tenth of a second, importing onnxruntime one."""
    return open_session(
        file,
        threads or os.cpu_count() or 1,
        user="cut-outs before a background that is not plain need",
        field="cutout",
        instead="use the cut-out 'plain'",
    )
