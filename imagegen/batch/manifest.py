"""manifest.csv: one line a product, true at every moment of a batch."""

from __future__ import annotations

import csv
import errno
import io
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from imagegen.batch.outcome import Outcome
from imagegen.errors import OutputNotWritable
from imagegen.store.files import write_atomically

COLUMNS = ("row", "id", "prompt", "seed", "file", "status", "seconds", "error")


class Manifest:
    """Starts a new manifest in place of an older one and appends a line for each outcome.

    A line goes out in one write and is flushed to disk before `add` returns, so a reader, or whoever looks
    after a crash, finds whole lines only. UTF-8. Raises OutputNotWritable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        write_atomically(path, _line(COLUMNS).encode())
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)

    def add(self, outcome: Outcome) -> None:
        seconds = None if outcome.seconds is None else round(outcome.seconds, 3)
        values = (
            outcome.row,
            outcome.id,
            outcome.prompt,
            outcome.seed,
            outcome.file,
            outcome.status,
            seconds,
            outcome.error,
        )
        self._append(_line(values).encode())

    def _append(self, line: bytes) -> None:
        end = os.fstat(self._file).st_size
        try:
            if os.write(self._file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, end)
            reason = error.strerror or str(error)
            raise OutputNotWritable(f"cannot write the file: {reason}", field=str(self.path)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)


def _line(values: tuple[object, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
