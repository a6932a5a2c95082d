"""Catalogue photos from parquet: read, cut to centred squares on white, split by product.

Does not know captions or models. The title column carries brand names: it is used for grouping
near-duplicates only, and is dropped before anything leaves this module.
"""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ATTRIBUTES = ("item", "colour", "material", "pattern", "gender", "usage", "width")
HELD_OUT_PERCENT = 5
WHITE_BORDER = 215  # a border darker than this (0..255) cannot honestly be balanced to white
CONTENT_STEP = 22  # a pixel this far (0..255) from the border colour belongs to the product
MARGIN = 0.07  # white kept on each side of the longer product side


@dataclass(frozen=True)
class Product:
    """One photo. `held_out` is the same for all colourways of a product."""

    identifier: str
    attributes: dict[str, str]
    held_out: bool
    encoded: bytes


def read_products(parquet: Path) -> Iterator[Product]:
    """Every row of a catalogue parquet (columns as in the data card), in file order."""
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(parquet).iter_batches(batch_size=256):
        for row in batch.to_pylist():
            yield Product(
                identifier=row["id"],
                attributes={name: str(row[name] or "") for name in ATTRIBUTES},
                held_out=is_held_out(row),
                encoded=row["image"],
            )


def is_held_out(row: dict[str, Any]) -> bool:
    """Split by title without its colour words, so that colourways never straddle the split."""
    colour = set(str(row["colour"]).lower().split())
    words = [word for word in str(row["title"]).lower().split() if word not in colour]
    digest = hashlib.sha256(" ".join(words).encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < HELD_OUT_PERCENT


def square_on_white(encoded: bytes, side: int) -> NDArray[np.uint8] | None:
    """Decode, balance the border to white, cut to the product and centre it on a white square.

    Returns [side, side, 3] uint8, or None where the border is not light enough to become white.
    """
    pixels = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB")).astype(np.float32)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    border = np.median(edge, axis=0)
    if border.min() < WHITE_BORDER:
        return None
    pixels = np.clip(pixels * (255.0 / border), 0, 255)
    content = (255.0 - pixels).max(axis=2) > CONTENT_STEP
    rows, columns = np.flatnonzero(content.sum(1) > 1), np.flatnonzero(content.sum(0) > 1)
    if len(rows) < 8 or len(columns) < 8:
        return None
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    cut = Image.fromarray(pixels[top:bottom, left:right].astype(np.uint8))
    length = max(cut.size)
    inner = round(side * (1 - 2 * MARGIN))
    size = (max(1, round(cut.width * inner / length)), max(1, round(cut.height * inner / length)))
    canvas = Image.new("RGB", (side, side), "white")
    resized = cut.resize(size, Image.Resampling.LANCZOS)
    canvas.paste(resized, ((side - size[0]) // 2, (side - size[1]) // 2))
    return np.asarray(canvas)
