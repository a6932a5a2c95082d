"""The output folder of a batch, held by one batch at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagegen.errors import OutputNotWritable


@contextmanager
def output_folder(path: Path) -> Iterator[Path]:
    """The folder, made when missing, locked until the block ends (or the process does, however it ends).

    The lock is on the folder itself and leaves no file behind. Raises OutputNotWritable when the folder
    cannot be made or another batch is writing to it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise OutputNotWritable(f"cannot use the folder: {error.strerror}", field=str(path)) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield path
    except BlockingIOError as error:
        raise OutputNotWritable(
            "another batch is writing to this folder",
            field=str(path),
            hint="wait for it, or take another folder",
        ) from error
    finally:
        os.close(folder)
