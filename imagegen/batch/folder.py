"""The output folder of a batch: held by one at a time, swept of what a killed one left half-written."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagegen.errors import OutputNotWritable
from imagegen.store.files import UNFINISHED


class FolderBusy(OutputNotWritable):
    """Another batch is writing to the folder."""


@contextmanager
def output_folder(path: Path) -> Iterator[Path]:
    """The folder, made when missing, locked until the block ends (or the process does, however it ends).

    The lock is on the folder itself and leaves no file behind. A killed process's temporary files are
    removed. Raises OutputNotWritable when the folder cannot be made and FolderBusy when another batch is
    writing to it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise OutputNotWritable(f"cannot use the folder: {error.strerror}", field=str(path)) from error
    try:
        _take(folder, path)
        yield path
    finally:
        os.close(folder)


def _take(folder: int, path: Path) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for file in path.iterdir():
            if UNFINISHED.fullmatch(file.name):
                file.unlink(missing_ok=True)
    except BlockingIOError as error:
        raise FolderBusy(
            "another batch is writing to this folder",
            field=str(path),
            hint="wait for it, or take another folder",
        ) from error
    except OSError as error:
        raise OutputNotWritable(f"cannot use the folder: {error.strerror}", field=str(path)) from error
