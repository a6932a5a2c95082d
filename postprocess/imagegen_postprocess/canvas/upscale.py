"""Enlarge by a super-resolution network, tile by tile, so that memory does not grow with the picture.

Every tile has the same size and overlaps its neighbours; only its middle is kept, where the network has seen
what lies around. It does not know how well a network fits a picture, and it invents detail: nothing here runs
unless it was asked for by name.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from imagegen_postprocess.errors import DependencyMissing, ModelFileMissing
from imagegen_postprocess.onnx_session import open_session
from imagegen_postprocess.subject import Pixels

TILE = 192  # pixels of a tile's side, margins included, where the network leaves the choice
MARGIN = 16  # pixels at each side of a tile that are context only; Real-ESRGAN's own tool takes 10
FACTORS = (2, 3, 4, 8)

_inference = threading.Lock()  # one session serves all callers, so its activations are held once


@dataclass(frozen=True)
class Network:
    """A loaded network. factor: pixels out for a pixel in, along a side. tile: side of what it is shown."""

    session: Any
    name: str
    dtype: type[np.floating[Any]]
    factor: int
    tile: int

    def enlarged(self, tile: Pixels) -> Pixels:
        """uint8 sRGB [tile, tile, 3] -> uint8 [factor * tile, factor * tile, 3]."""
        planes = (tile.astype(np.float32) / 255).transpose(2, 0, 1)[None].astype(self.dtype)
        (answer,) = self.session.run(None, {self.name: planes})
        values = np.asarray(answer, np.float32)[0].transpose(1, 2, 0)
        return np.asarray(np.rint(np.clip(values, 0, 1) * 255), np.uint8)


def upscale(pixels: Pixels, path: Path, threads: int | None = None) -> Pixels:
    """Enlarge uint8 sRGB [H, W, 3] by the network in an ONNX file: [factor * H, factor * W, 3].

    The file takes one input of float32 or float16 [1, 3, h, w] in 0..1, RGB, h and w free or fixed and equal,
    and gives as much at 2, 3, 4 or 8 times the size: the exports of Real-ESRGAN and its kin. Raises
    ModelFileMissing for a file that cannot be loaded or is no such network, DependencyMissing; field
    "upscaler".
    """
    with _inference:
        network = _network(path, threads)
        return _tiled(pixels, network)


def factor_of(path: Path, threads: int | None = None) -> int:
    """How many times larger the network of a file makes a side. Raises as `upscale` does."""
    with _inference:
        return _network(path, threads).factor


def _tiled(pixels: Pixels, network: Network) -> Pixels:
    height, width = pixels.shape[:2]
    tile, factor = network.tile, network.factor
    margin = min(MARGIN, tile // 4)
    step = tile - 2 * margin
    across, down = -(-width // step) * step, -(-height // step) * step
    padded = np.asarray(
        cv2.copyMakeBorder(
            pixels, margin, margin + down - height, margin, margin + across - width, cv2.BORDER_REPLICATE
        ),
        np.uint8,
    )
    result = np.empty((factor * height, factor * width, 3), np.uint8)
    for top in range(0, down, step):
        for left in range(0, across, step):
            answer = network.enlarged(padded[top : top + tile, left : left + tile])
            place = result[factor * top : factor * (top + step), factor * left : factor * (left + step)]
            middle = answer[factor * margin :, factor * margin :]
            place[...] = middle[: place.shape[0], : place.shape[1]]
    return result


@lru_cache(maxsize=1)
def _network(path: Path, threads: int | None) -> Network:
    """The one network that is kept; loaded, and tried on one grey tile."""
    try:
        session = open_session(
            path,
            threads or 0,
            user=f"the upscaler {path.stem!r} needs",
            field="upscaler",
            instead="leave the upscaler out",
        )
    except DependencyMissing:
        raise
    except Exception as error:  # onnxruntime's errors share no narrower base
        raise _unfit(path, f"cannot be loaded: {error}") from error
    inputs = session.get_inputs()
    dtypes: dict[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
    if len(inputs) != 1 or len(session.get_outputs()) != 1 or inputs[0].type not in dtypes:
        raise _unfit(path, "is no network from one float picture to another")
    shape = inputs[0].shape
    fixed = [side for side in shape[2:] if isinstance(side, int)]
    if len(shape) != 4 or len(set(fixed)) > 1 or (fixed and fixed[0] < 16):
        raise _unfit(path, f"takes pictures of the shape {shape}")
    network = Network(session, inputs[0].name, dtypes[inputs[0].type], 1, fixed[0] if fixed else TILE)
    try:
        seen = network.enlarged(np.full((network.tile, network.tile, 3), 128, np.uint8)).shape
    except Exception as error:  # as above; and of NumPy, where the answer is no picture
        raise _unfit(path, f"does not take a picture: {error}") from error
    factor = seen[0] // network.tile
    if factor not in FACTORS or seen != (factor * network.tile, factor * network.tile, 3):
        raise _unfit(path, f"makes {seen} of {network.tile} x {network.tile} pixels")
    return Network(session, network.name, network.dtype, factor, network.tile)


def _unfit(path: Path, what: str) -> ModelFileMissing:
    return ModelFileMissing(f"{path} {what}", field="upscaler", hint="Replace it with an export that fits")
