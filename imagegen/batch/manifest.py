"""manifest.csv and manifest.jsonl: a line for each file of each picture, true at every moment of a batch."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from imagegen.batch.outcome import MadeFile, Outcome
from imagegen.errors import OutputNotWritable
from imagegen.store.files import write_atomically

COLUMNS = (
    "row",
    "line",
    "id",
    "sku",
    "color",
    "number",
    "preset",
    "file",
    "status",
    "prompt",
    "seed",
    "seconds",
    "warnings",
    "error",
)


class Manifest:
    """Starts a new manifest in place of an older one, as CSV and as JSON lines, and appends what each outcome
    says.

    A picture that is finished for several presets has a line for each of its files. What an outcome says goes
    out in one write a file and is flushed to disk before `add` returns, so a reader, or whoever looks after a
    crash, finds whole lines only. UTF-8. Raises OutputNotWritable.
    """

    def __init__(self, csv: Path, jsonl: Path) -> None:
        self._csv = _Lines(csv, _csv_line(COLUMNS))
        self._jsonl = _Lines(jsonl, "")

    def add(self, outcome: Outcome) -> None:
        entries = list(_entries(outcome))
        self._csv.append("".join(_csv_line(_cells(entry)) for entry in entries))
        self._jsonl.append("".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._csv.close()
        self._jsonl.close()


def _entries(outcome: Outcome) -> Iterator[dict[str, Any]]:
    for file in outcome.files or (MadeFile("", None),):
        yield {
            "row": outcome.row,
            "line": outcome.line,
            "id": outcome.id,
            "sku": outcome.sku,
            "color": outcome.color,
            "number": outcome.number,
            "preset": file.preset,
            "file": file.name or None,
            "status": outcome.status,
            "prompt": outcome.prompt,
            "seed": outcome.seed,
            "seconds": None if outcome.seconds is None else round(outcome.seconds, 3),
            "warnings": [*outcome.warnings, *outcome.notes],
            "error": outcome.error,
        }


def _cells(entry: dict[str, Any]) -> tuple[object, ...]:
    return tuple(" | ".join(entry[name]) if name == "warnings" else entry[name] for name in COLUMNS)


class _Lines:
    """A text file that grows by whole lines."""

    def __init__(self, path: Path, first: str) -> None:
        self._path = path
        write_atomically(path, first.encode())
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)

    def append(self, lines: str) -> None:
        self._append(lines.encode("utf-8", "replace"))

    def close(self) -> None:
        os.close(self._file)

    def _append(self, line: bytes) -> None:
        end = os.fstat(self._file).st_size
        try:
            if os.write(self._file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, end)
            reason = error.strerror or str(error)
            raise OutputNotWritable(f"cannot write the file: {reason}", field=str(self._path)) from error


def _csv_line(values: tuple[object, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
