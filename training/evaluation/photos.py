"""The catalogue photos as small squares in memory: what pictures are judged against.

The same cut, balance and centring as in training (products.py), at a size where sharp photos, thumbnails
and generated pictures look much alike. Does not know captions or models.
"""

import json
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.captions import THUMBNAIL_WIDTH, Attributes
from training.products import read_products, square_on_white

log = logging.getLogger(__name__)

SIDE = 64


@dataclass(frozen=True)
class Photos:
    """pixels: uint8 [N, 64, 64, 3]; records: id, split ("train" or "held-out") and attributes of each."""

    pixels: NDArray[np.uint8]
    records: list[Attributes]

    def rows(self, split: str, items: tuple[str, ...] | None = None) -> NDArray[np.int64]:
        """Row numbers of one split, in order; only of `items` where given."""
        return np.array(
            [
                row
                for row, record in enumerate(self.records)
                if record["split"] == split and (items is None or record["item"] in items)
            ],
            dtype=np.int64,
        )

    def sharp(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of `rows` that are not thumbnails."""
        wide = [row for row in rows.tolist() if int(self.records[row]["width"]) >= THUMBNAIL_WIDTH]
        return np.array(wide, dtype=np.int64)

    def common_items(self, count: int) -> tuple[str, ...]:
        """The items with most training photos, most first."""
        counts = Counter(record["item"] for record in self.records if record["split"] == "train")
        return tuple(item for item, _ in counts.most_common(count))


def load_photos(parquets: list[Path], cache: Path) -> Photos:
    """All usable photos of `parquets`; decoded at the first call, then kept in the file `cache` (.npz)."""
    if not cache.exists():
        _write(parquets, cache)
    with np.load(cache) as kept:
        return Photos(kept["pixels"], json.loads(str(kept["records"])))


def _write(parquets: list[Path], cache: Path) -> None:
    pixels, records = [], []
    for parquet in parquets:
        for product in read_products(parquet):
            square = square_on_white(product.encoded, SIDE)
            if square is not None:
                pixels.append(square)
                split = "held-out" if product.held_out else "train"
                records.append({"id": product.identifier, "split": split, **product.attributes})
        log.info("%s: %d photos so far", parquet.name, len(records))
    cache.parent.mkdir(parents=True, exist_ok=True)
    draft = cache.with_suffix(".partial")
    with draft.open("wb") as stream:
        np.savez(stream, pixels=np.stack(pixels), records=np.array(json.dumps(records)))
    draft.replace(cache)


def shrink(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A square RGB picture, uint8 [H, H, 3] -> [64, 64, 3], with the filter the photos went through."""
    resized = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(resized)
