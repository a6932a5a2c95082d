"""A contact sheet of the worst cut-outs of a set: photo, truth, ours, u2netp's, and where ours errs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.uint8]
Alpha = NDArray[np.float32]

SIDE, CAPTION = 300, 16


@dataclass(frozen=True)
class Drawn:
    name: str
    pixels: Pixels
    truth: Alpha
    ours: Alpha
    how: dict[str, Any]
    theirs: Alpha
    overlap: float
    their_overlap: float


def draw_worst(target: Path, drawn: Sequence[Drawn], count: int = 10) -> None:
    """Write `target` (PNG): one line a picture, worst of ours first. Red is taken along, blue is lost."""
    worst = sorted(drawn, key=lambda picture: picture.overlap)[:count]
    sheet = Image.new("RGB", (5 * SIDE, len(worst) * (SIDE + CAPTION)), "black")
    pen = ImageDraw.Draw(sheet)
    for number, picture in enumerate(worst):
        top = number * (SIDE + CAPTION)
        layers = [
            picture.pixels,
            *map(_grey, (picture.truth, picture.ours, picture.theirs)),
            _errors(picture),
        ]
        for column, layer in enumerate(layers):
            tile = Image.fromarray(layer).convert("RGB")
            tile.thumbnail((SIDE - 2, SIDE - 2))
            sheet.paste(tile, (column * SIDE, top + CAPTION))
        flag = " REVIEW" if picture.how["review"] else ""
        pen.text(
            (0, top),
            f"{picture.name}: {picture.how['method']} {picture.how.get('confidence')}{flag}, IoU"
            f" {picture.overlap:.3f}, u2netp {picture.their_overlap:.3f}",
            fill="white",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target)


def _grey(alpha: Alpha) -> Pixels:
    return np.rint(alpha * 255).astype(np.uint8)


def _errors(picture: Drawn) -> Pixels:
    found, real = picture.ours > 0.5, picture.truth > 0.5
    dimmed = picture.pixels // 2 + 64
    dimmed[found & ~real] = (255, 0, 0)
    dimmed[real & ~found] = (0, 0, 255)
    return np.asarray(dimmed, np.uint8)
