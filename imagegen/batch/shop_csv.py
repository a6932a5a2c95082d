"""The catalogue given back with its pictures filled in, ready for the shop's own import.

Rows, columns and delimiter are those of the file that came in; only cells for pictures change. What such a
cell holds stays: new pictures go into empty ones, behind the others in a list, or into rows of their own
where a shop has one picture a row. A product without pictures of ours goes through as it was.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from imagegen.batch.catalogue import Catalogue, Role, Row
from imagegen.batch.dialects.dialect import Images
from imagegen.batch.outcome import COMPLETED
from imagegen.store.files import writing_atomically

Cells = list[str]


@dataclass(frozen=True, slots=True)
class ShopPicture:
    """A picture as the shop's CSV names it; `color` is "" unless there is one for each colour."""

    address: str
    color: str


def write_shop_csv(
    catalogue: Catalogue, manifest: Path, path: Path, *, preset: str | None = None, prefix: str | None = None
) -> int | None:
    """Writes `path` from the catalogue and a manifest.jsonl; returns how many pictures are in it, or None
    when the file has no column for pictures, and then nothing is written.

    `preset` chooses among the files of a picture. `prefix` stands before the file names, as an address does
    before what lies in a shop's file store; without one they are names alone. One product is kept in memory
    at a time, and the pictures of variable products, whose variations may stand anywhere. UTF-8. Raises
    OutputNotWritable.
    """
    if catalogue.dialect.images is Images.NONE or "image" not in catalogue.columns:
        return None
    made = _Made(manifest, preset, prefix)
    filler = _Filler(catalogue)
    with writing_atomically(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, delimiter=catalogue.delimiter, lineterminator="\n")
        writer.writerow(catalogue.header)
        for group in _groups(catalogue.rows()):
            writer.writerows(filler.filled(group, made.of(group[0].number)))
        text.detach()
    return filler.count


def _groups(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """The rows of a product together; rows that belong to a product elsewhere, or to none, alone."""
    group: list[Row] = []
    for row in rows:
        if group and row.role is not Role.CONTINUES:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


class _Made:
    """The pictures of each product, read from the manifest as the catalogue goes by: both have the same
    order."""

    def __init__(self, manifest: Path, preset: str | None, prefix: str | None) -> None:
        self._preset = preset
        self._prefix = prefix
        self._products = groupby(_entries(manifest), key=lambda entry: int(entry["row"]))
        self._next = self._read()

    def of(self, row: int) -> list[ShopPicture]:
        while self._next is not None and self._next[0] < row:
            self._next = self._read()
        return self._next[1] if self._next is not None and self._next[0] == row else []

    def _read(self) -> tuple[int, list[ShopPicture]] | None:
        row, entries = next(self._products, (0, iter(())))
        if row == 0:
            return None
        return row, [
            ShopPicture(self._address(entry["file"]), entry["color"])
            for entry in entries
            if entry["status"] == COMPLETED and entry["preset"] == self._preset
        ]

    def _address(self, file: str) -> str:
        name = file.rpartition("/")[2]
        return name if self._prefix is None else self._prefix + quote(name)


def _entries(manifest: Path) -> Iterator[dict[str, Any]]:
    with manifest.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


class _Filler:
    """Puts pictures into rows; `count` counts them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.count = 0
        self._dialect = catalogue.dialect
        self._columns = catalogue.columns
        self._width = len(catalogue.header)
        self._variable: dict[str, list[ShopPicture]] = {}

    def filled(self, group: Sequence[Row], pictures: list[ShopPicture]) -> list[Cells]:
        """The rows of a product with its pictures, and the rows that these need besides."""
        rows = [row.cells + [""] * (self._width - len(row.cells)) for row in group]
        first = group[0]
        if first.role is Role.VARIATION:
            pictures = [picture for picture in self._variable.get(first.product, []) if picture.color]
            self._list(first, rows[0], _of_row(self._dialect.colors(first.values, first.values), pictures))
            return rows
        if not pictures:
            return rows
        if self._dialect.variable(first.values):
            self._variable[first.product] = pictures
        self.count += len(pictures)
        if self._dialect.images is Images.ROWS:
            return self._rows(group, rows, pictures)
        for row, cells in zip(group, rows, strict=True):
            colors = self._dialect.colors(first.values, row.values)
            own = _of_row(colors, pictures) if "group" in self._columns else pictures
            if self._dialect.images is Images.FIRST:
                self._first(row, cells, own)
                continue
            if row is first:
                self._list(row, cells, own)
            self._variant(row, cells, _of_row(colors, [picture for picture in pictures if picture.color]))
        return rows

    def _rows(self, group: Sequence[Row], rows: list[Cells], pictures: list[ShopPicture]) -> list[Cells]:
        """Shopify: a picture a row, numbered behind those that are there, and the variants' own besides."""
        first = group[0]
        held = sum(1 for row in group if row.values.get("image"))
        title = first.values.get("title", "")
        waiting = list(pictures)
        rows = list(rows)
        for row, cells in zip(group, rows, strict=True):
            if waiting and not row.values.get("image"):
                held += 1
                self._place(cells, waiting.pop(0), held, title)
            colors = self._dialect.colors(first.values, row.values)
            self._variant(row, cells, _of_row(colors, [picture for picture in pictures if picture.color]))
        for picture in waiting:
            held += 1
            cells = [""] * self._width
            name = next(name for name in self._dialect.key if name in self._columns)
            cells[self._columns[name]] = first.product
            self._place(cells, picture, held, title)
            rows.append(cells)
        return rows

    def _place(self, cells: Cells, picture: ShopPicture, position: int, title: str) -> None:
        self._set(cells, "image", picture.address)
        self._set(cells, "image_position", str(position))
        alt = ", ".join(part for part in (title, picture.color) if part)
        self._set(cells, "image_alt", alt)

    def _variant(self, row: Row, cells: Cells, pictures: list[ShopPicture]) -> None:
        if pictures and not row.values.get("variant_image"):
            self._set(cells, "variant_image", pictures[0].address)

    def _list(self, row: Row, cells: Cells, pictures: list[ShopPicture]) -> None:
        addresses = [picture.address for picture in pictures]
        held = row.values.get("image", "")
        self._set(cells, "image", self._dialect.separator.join([held, *addresses] if held else addresses))

    def _first(self, row: Row, cells: Cells, pictures: list[ShopPicture]) -> None:
        addresses = [picture.address for picture in pictures]
        if not row.values.get("image") and addresses:
            self._set(cells, "image", addresses.pop(0))
        more = row.values.get("more_images", "")
        if addresses:
            self._set(cells, "more_images", ",".join([more, *addresses] if more else addresses))

    def _set(self, cells: Cells, name: str, value: str) -> None:
        if name in self._columns and value:
            cells[self._columns[name]] = value


def _of_row(colors: Sequence[str], pictures: list[ShopPicture]) -> list[ShopPicture]:
    """The pictures in a row's colours, and those that are of no colour in particular."""
    return [picture for picture in pictures if not picture.color or picture.color in colors]
