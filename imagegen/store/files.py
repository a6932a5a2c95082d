"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from imagegen.errors import OutputNotWritable

if TYPE_CHECKING:
    from imagegen.artifact import Artifact, Format

_ID = re.compile(r"[0-9a-f]{32}\.(png|jpeg|webp)")


def write_atomically(path: Path, data: bytes) -> None:
    """Writes `data` to a temporary file beside `path`, flushes it to disk and renames it into place.

    Missing parent folders are made. Raises OutputNotWritable naming the path; nothing is left behind then.
    """
    temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(4)}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(data)
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


class ArtifactFiles:
    """Encoded pictures under `data_dir`/artifacts, named by id."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "artifacts"

    def put(self, artifact: Artifact, format: Format, *, quality: int = 90, id: str | None = None) -> str:
        """Stores the picture and returns its id: "<artifact id>.<format>" unless one of that kind is
        given."""
        name = f"{artifact.id}.{format}" if id is None else id
        write_atomically(self._folder / name, artifact.encode(format, quality=quality))
        return name

    def delete(self, id: str) -> None:
        """Removes the picture; one that is not there is no error."""
        if (path := self.path(id)) is not None:
            path.unlink(missing_ok=True)

    def path(self, id: str) -> Path | None:
        """The file of an id that `put` returned; None when there is none (or when `id` is no such id)."""
        path = self._folder / id
        return path if _ID.fullmatch(id) and path.is_file() else None
