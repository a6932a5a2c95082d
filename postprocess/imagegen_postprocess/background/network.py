"""The bundled networks: which pixels are product, whatever stands behind it, and before a plain sheet.

One sees about 320 x 320 pixels of any picture, in its own proportions; the other was taught on from it on
products that fill their plain sheet, sees up to 512 x 512, and is told how far each pixel is from the sheet:
by itself it could not judge whether a place inside a product is a gap or a part nearly of the sheet's colour.
Neither knows how sure it may be: the confidence is the overlap it expects of its own answer.
"""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from imagegen_postprocess.background.evidence import difference_from
from imagegen_postprocess.background.sheet import Sheet
from imagegen_postprocess.onnx_session import open_session
from imagegen_postprocess.subject import Pixels, Plane

WEIGHTS = Path(__file__).parent / "weights"
FILE, SHEET_FILE = WEIGHTS / "cutout.onnx", WEIGHTS / "cutout-sheet.onnx"
SIDE = 320  # pixels of a square input; other shapes have about as many
CLOSE_SIDE = 512  # of a closer look at a product on a plain sheet: gaps and cables of two pixels become three
MULTIPLE = 32
LEAST, MOST = 96, 640

_inference = threading.Lock()  # a session serves all callers, so its activations are held once


def coverage(pixels: Pixels, threads: int | None = None) -> Plane:
    """The product's share of each pixel at the network's own size, whatever stands behind it.

    pixels: uint8 sRGB [H, W, 3]. Returns float32 [h, w] in 0..1, h and w multiples of 32 (see `seen_size`).
    Raises DependencyMissing, field "cutout", where onnxruntime is not installed.
    """
    return _answer(FILE, threads, {"pixels": _resized(pixels, SIDE)})


def coverage_on_sheet(pixels: Pixels, sheet: Sheet, threads: int | None = None) -> Plane:
    """As `coverage`, of a product that fills most of a picture of itself on a plain sheet.

    sheet: what lies behind these pixels.
    """
    size = (pixels.shape[0] * pixels.shape[1]) ** 0.5
    seen = _resized(pixels, round(min(CLOSE_SIDE, max(SIDE, size))))
    difference = difference_from(sheet.backdrop.surface, sheet.tolerance, seen)
    return _answer(SHEET_FILE, threads, {"pixels": seen, "difference": difference})


def _resized(pixels: Pixels, side: int) -> Pixels:
    width, height = seen_size(pixels.shape[1], pixels.shape[0], side)
    larger = width * height > pixels.shape[0] * pixels.shape[1]
    how = cv2.INTER_CUBIC if larger else cv2.INTER_AREA
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=how), np.uint8)


def _answer(file: Path, threads: int | None, inputs: dict[str, Pixels | Plane]) -> Plane:
    with _inference:
        (answer,) = _session(file, threads).run(None, {name: plane[None] for name, plane in inputs.items()})
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
