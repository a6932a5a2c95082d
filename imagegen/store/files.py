"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from imagegen.errors import OutputNotWritable

if TYPE_CHECKING:
    from imagegen.artifact import Artifact, Format

ARTIFACTS = "artifacts"
"""The folder of pictures in data_dir."""
UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}\.part")
"""What a file is called that is not in place yet."""
ABANDONED = 3600.0  # seconds after which whoever wrote such a file has died
_ID = re.compile(r"[0-9a-f]{32}\.(png|jpeg|webp)")


def write_atomically(path: Path, data: bytes) -> None:
    """Writes `data` to a temporary file beside `path`, flushes it to disk and renames it into place.

    Missing parent folders are made. Raises OutputNotWritable naming the path; nothing is left behind then.
    """
    with writing_atomically(path) as file:
        file.write(data)


@contextlib.contextmanager
def writing_atomically(path: Path) -> Iterator[BinaryIO]:
    """`write_atomically` for what is too long for memory: a file to write into, in place as the block ends.

    After an exception in the block `path` is as it was.
    """
    temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(4)}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputNotWritable(
            f"cannot write the file: {reason}", field=str(path), hint="choose a folder you may write to"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sweep_unfinished(folder: Path) -> None:
    """Removes what killed processes left half-written. Whoever still writes has not done so for an hour."""
    for path in folder.glob(".*.part"):
        with contextlib.suppress(FileNotFoundError):
            if UNFINISHED.fullmatch(path.name) and path.stat().st_mtime < time.time() - ABANDONED:
                path.unlink()


def is_artifact_id(id: str) -> bool:
    """True for the id of a stored picture: 32 hex digits and a format's suffix."""
    return _ID.fullmatch(id) is not None


class ArtifactFiles:
    """An ArtifactStore of files under `data_dir`/artifacts, named by id."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / ARTIFACTS

    def put(self, artifact: Artifact, format: Format, *, quality: int = 90, id: str | None = None) -> str:
        name = f"{artifact.id}.{format}" if id is None else id
        write_atomically(self._folder / name, artifact.encode(format, quality=quality))
        return name

    def delete(self, id: str) -> None:
        if (path := self.path(id)) is not None:
            path.unlink(missing_ok=True)

    def path(self, id: str) -> Path | None:
        path = self._folder / id
        return path if is_artifact_id(id) and path.is_file() else None

    def read(self, id: str) -> bytes | None:
        path = self.path(id)
        try:
            return None if path is None else path.read_bytes()
        except FileNotFoundError:  # deleted in between
            return None

    def older_than(self, moment: float) -> Iterator[str]:
        for path in self._folder.glob("*.*"):
            with contextlib.suppress(FileNotFoundError):
                if is_artifact_id(path.name) and path.stat().st_mtime < moment:
                    yield path.name
