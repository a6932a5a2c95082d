"""A CSV file as records: lists of cells, one record in memory at a time.

csv.reader knows quotes and line ends. This knows what files in the wild do besides: fields longer than
Python's limit, a quote that is never closed, `sep=;` for Excel or comments before the header.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TextIO

from imagegen.batch.csv_text import open_text
from imagegen.errors import InputFileInvalid

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
MAX_FIELD = 1 << 24  # characters; Python stops at 131,072, and shops export longer descriptions than that

Record = tuple[int, list[str]]
"""The line it starts on, counted from 1, and its cells."""


def records(path: Path, delimiter: str, encoding: str | None = None) -> Iterator[Record]:
    """The records that are not blank, from the header on; lines before it that are for Excel or comments are
    not records.

    Raises InputFileInvalid for a quote that is never closed and a field above MAX_FIELD.
    """
    csv.field_size_limit(MAX_FIELD)
    with closing(open_text(path, encoding)) as text:
        lines = _Lines(text)
        reader = csv.reader(lines, delimiter=delimiter)
        header_met = False
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
            if not any(cell.strip() for cell in record):
                continue
            if not header_met and _is_preamble(record):
                continue
            header_met = True
            yield first_line, record


def _is_preamble(record: list[str]) -> bool:
    """`sep=;`, which Excel writes and obeys, and the comments above the header of Meta's templates."""
    first = record[0].strip().lstrip("\ufeff").casefold()
    return first.startswith("#") or (
        first.startswith("sep=") and not any(cell.strip() for cell in record[2:])
    )


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
