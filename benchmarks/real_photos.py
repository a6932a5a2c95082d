"""The real photos that finishing is measured on: ../shared/data, which outside users do not have."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def photos(longest: int = 1600) -> Iterator[tuple[str, Image.Image]]:
    """Name and picture of each photo in photos/, colour/ and cutouts/, upright RGB, reduced to `longest`."""
    from imagegen_postprocess.intake import open_picture, take_in

    for folder in ("photos", "colour", "cutouts"):
        for path in sorted((DATA / folder).glob("*.*")):
            if path.suffix in (".jpg", ".jpeg", ".png") and not path.stem.endswith("_alpha"):
                picture = Image.fromarray(take_in(open_picture(path))[0].pixels)
                picture.thumbnail((longest, longest))
                yield f"{folder}/{path.name}", picture


def products(count: int, *, skip: int = 0) -> Iterator[tuple[str, Image.Image]]:
    """`count` product photos of catalogue-224 on plain backgrounds, evenly through the set."""
    import pyarrow.parquet as parquet

    table = parquet.read_table(
        DATA / "products" / "catalogue-224.parquet", columns=["id", "image", "plain_background"]
    )
    rows = [row for row in table.to_pylist() if row["plain_background"] == "yes"]
    for row in rows[skip :: max(1, len(rows) // count)][:count]:
        yield row["id"], Image.open(io.BytesIO(row["image"])).convert("RGB")
