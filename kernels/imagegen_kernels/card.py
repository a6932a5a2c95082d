"""Which GPUs our kernels are taken on, and with which tiles.

`tuned/sm_<capability>.json` is the default of a compute capability, `tuned/<name of the card>.json` one
card's own table, which goes first; before both goes what was measured on this machine (tuning.py), kept
where `keep_tiles_in` says. Capabilities without a file run the reference. Nothing is measured at run time.
"""

from __future__ import annotations

import functools
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib import import_module
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

import torch

logger = logging.getLogger(__name__)

Choice = Literal["auto", "reference"]
_choice: Choice = "auto"
_measured: Path | None = None


@dataclass(frozen=True)
class Tile:
    """How a product is cut."""

    tokens: int
    """activations' rows a program"""
    rows: int
    """weight rows a program"""
    warps: int
    stages: int
    """steps loaded ahead"""


_tried: Tile | None = None


def choose(choice: Choice) -> None:
    """For this process: "reference" runs every op on a GPU as plain PyTorch, "auto" takes our kernels where
    they exist for the card. ValueError for another word."""
    global _choice
    if choice not in ("auto", "reference"):
        raise ValueError(f"kernels must be auto or reference, not {choice!r}")
    _choice = choice


def refusal(device: torch.device | None = None) -> str | None:
    """Why our kernels are not taken on this CUDA device (None: the current one), or None if they are."""
    if _choice == "reference":
        return "IMAGEGEN_KERNELS asks for it"
    if not torch.cuda.is_available():
        return "torch finds no CUDA device"
    return _refusal(_index(device))


def row_kernel() -> tuple[str, str]:
    """(name, why) of what an op that goes row by row runs on the current CUDA device."""
    reason = refusal()
    if reason is not None:
        return "reference", f"plain PyTorch: {reason}"
    return "triton", "what it reads and writes, once; never run on a card yet"


def takes(device: torch.device) -> bool:
    """Whether our kernels are taken on `device`; says once why not. The first call on a card proves them."""
    if device.type != "cuda":
        return False
    reason = refusal(device)
    if reason is None and not _proved(_index(device)):
        reason = "they gave something else than their specification on this card; please report it"
    if reason is not None:
        say_reference(reason)
    return reason is None


@functools.cache
def _proved(index: int) -> bool:
    from imagegen_kernels.proof import row_kernels_hold

    return row_kernels_hold(index)


@functools.cache
def say_reference(reason: str) -> None:
    """Say once, for each reason, that the reference runs."""
    logger.warning("On the GPU plain PyTorch runs instead of our kernels: %s.", reason)


def _index(device: torch.device | None) -> int:
    return torch.cuda.current_device() if device is None or device.index is None else device.index


@functools.cache
def _refusal(index: int) -> str | None:
    if not _has_triton():
        return "Triton is not installed"
    number = capability(index)
    if table(f"sm_{number}") is None:
        return f"none was compiled and counted for compute capability {number / 10:.1f}"
    return None


def _has_triton() -> bool:
    try:
        import_module("triton")
    except ImportError:
        return False
    return True


@functools.cache
def capability(index: int) -> int:
    """90 for compute capability 9.0."""
    major, minor = torch.cuda.get_device_capability(index)
    return 10 * major + minor


@functools.cache
def card_name(index: int) -> str:
    """What a card's own table is called: "NVIDIA H100 80GB HBM3" is nvidia-h100-80gb-hbm3."""
    return re.sub(r"[^a-z0-9]+", "-", torch.cuda.get_device_name(index).lower()).strip("-")


@functools.cache
def table(name: str) -> dict[str, Tile] | None:
    """The tiles of tuned/<name>.json by product, or None where there is no such file."""
    file = files("imagegen_kernels") / "tuned" / f"{name}.json"
    return _read(file) if file.is_file() else None


def _read(file: Traversable | Path) -> dict[str, Tile]:
    """Raises ValueError where it does not hold a table of tiles."""
    try:
        tiles = {product: Tile(**tile) for product, tile in json.loads(file.read_text())["tiles"].items()}
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no table of tiles: {error}") from error
    for tile in tiles.values():
        sizes = [getattr(tile, field.name) for field in fields(tile)]
        if not all(isinstance(size, int) and size > 0 for size in sizes) or any(
            size & (size - 1) for size in sizes[:3]
        ):
            raise ValueError(f"{tile} is no tile: all but stages must be powers of two")
    return tiles


def keep_tiles_in(folder: Path | None) -> None:
    """Where tiles that were measured on this machine are kept, for this process; None: nowhere."""
    global _measured
    _measured = folder
    measured.cache_clear()


def measured_file(folder: Path, index: int) -> Path:
    """Where in `folder` this card's measured tiles are or will be: another Triton makes other code of them,
    so its version is part of the name."""
    return folder / f"{card_name(index)}-triton-{version('triton')}.json"


@functools.cache
def measured(index: int) -> dict[str, Tile] | None:
    """The tiles measured on this card, or None; says once where they cannot be read."""
    if _measured is None or not measured_file(_measured, index).is_file():
        return None
    file = measured_file(_measured, index)
    try:
        return _read(file)
    except (ValueError, OSError) as error:
        logger.warning("Tiles are not those measured here: %s: %s. Run `imagegen tune`.", file, error)
        return None


@contextmanager
def trying(tile: Tile) -> Iterator[None]:
    """Every product takes this tile."""
    global _tried
    _tried = tile
    try:
        yield
    finally:
        _tried = None


def tile(product: str, device: torch.device) -> Tile:
    """The tile of "ternary", "binary", "int4" or "int8" products with int8 activations, of "float" with
    16-bit ones. With "-swiglu" or "-residual" behind it of those that end so, with "-few" of few tokens,
    where the table tells them apart."""
    if _tried is not None:
        return _tried
    index = _index(device)
    own, default = table(card_name(index)), table(f"sm_{capability(index)}")
    for tiles in (measured(index), own, default):
        for name in (product, product.partition("-")[0]):
            if tiles is not None and name in tiles:
                return tiles[name]
    raise ValueError(f"no tile of a {product} product is known for {device}")
