"""The products in a CSV file: found delimiter, found columns, rows one at a time.

The file is read anew for each pass and no row is kept, so 100,000 rows take the memory of one.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from imagegen.batch.csv_text import open_text
from imagegen.batch.dialects import plain
from imagegen.batch.product import Product
from imagegen.errors import InputFileInvalid

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
MAX_FIELD = 1 << 24  # characters; Python stops at 131,072, and shops export longer descriptions than that


@dataclass(frozen=True, slots=True)
class ProductTable:
    """A CSV file whose columns are known: `columns` maps names to positions, `width` counts all there are."""

    path: Path
    delimiter: str
    columns: dict[str, int]
    width: int

    def count(self) -> int:
        """Number of product rows. Reads the whole file; raises InputFileInvalid for a quote never closed."""
        return sum(1 for _ in self.products())

    def products(self) -> Iterator[Product]:
        """Every row that is not blank, in order, faulty ones included."""
        for row, cells in enumerate(islice(_records(self.path, self.delimiter), 1, None), start=1):
            yield self._product(row, cells)

    def _product(self, row: int, cells: list[str]) -> Product:
        values = {
            name: cells[position].strip() for name, position in self.columns.items() if position < len(cells)
        }
        fault = ""
        if any(cell.strip() for cell in cells[self.width :]):
            fault = (
                f"has {len(cells)} cells under {self.width} headers; "
                f'put texts that contain a {DELIMITERS[self.delimiter]} into "quotes"'
            )
        return Product(row, values.pop("id", ""), values.pop("description", ""), **values, fault=fault)


def read_products(path: Path) -> ProductTable:
    """Finds the delimiter under which the header has the columns of a dialect.

    Raises InputFileInvalid naming what was found and what is expected.
    """
    headers = {}
    for delimiter in DELIMITERS:
        header = headers[delimiter] = next(_records(path, delimiter), [])
        if (columns := plain.recognise(header)) is not None:
            return ProductTable(path, delimiter, columns, len(header))
    found = max(headers.values(), key=len)
    if not found:
        raise InputFileInvalid("the file holds only blank lines", field=str(path), hint=_expected())
    shown = ", ".join(repr(name.strip()[:40]) for name in found[:20])
    raise InputFileInvalid(f"no usable columns; the header has {shown}", field=str(path), hint=_expected())


def _expected() -> str:
    return (
        f"the first line must name the columns {' and '.join(plain.REQUIRED)}, each once; "
        f"{', '.join(plain.OPTIONAL)} are optional"
    )


def _records(path: Path, delimiter: str) -> Iterator[list[str]]:
    """The records that are not blank; the first is the header."""
    csv.field_size_limit(MAX_FIELD)
    with closing(open_text(path)) as text:
        lines = _Lines(text)
        reader = csv.reader(lines, delimiter=delimiter)
        while True:
            first_line = reader.line_num + 1
            try:
                record = next(reader, None)
            except csv.Error as error:
                raise InputFileInvalid(f"line {first_line}: {error}", field=str(path)) from error
            if record is None:
                return
            if lines.ended:
                raise InputFileInvalid(
                    f'line {first_line}: a quote (") is opened and never closed',
                    field=str(path),
                    hint='close it, or write a quote inside a text as ""',
                )
            if any(cell.strip() for cell in record):
                yield record


class _Lines:
    """A file's lines, remembering that the end was met: a record that met it was still inside quotes."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self.ended = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._text.readline()
        if not line:
            self.ended = True
            raise StopIteration
        return line
