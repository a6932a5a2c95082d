"""Photos that jobs brought along, until the jobs are deleted: in a folder, or beside the artifacts in an
S3-compatible store.

No address leads to them. Each is kept under a name made of its job and its content, so that a job handed in
twice keeps one copy, and deleting a job takes its photos and nobody else's.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from imagegen.photo import Photo
from imagegen.store.files import write_atomically

if TYPE_CHECKING:
    from imagegen.request import ImageRequest
    from imagegen.settings import Settings

FOLDER = "photos"
_NAME = re.compile(r"[0-9a-f]{64}")


class PhotoStore(Protocol):
    """Files by name: 64 hex digits. Methods raise OutputNotWritable or StoreUnavailable."""

    def put(self, name: str, data: bytes) -> None:
        """Stores the file, whole or not at all."""

    def read(self, name: str) -> bytes | None:
        """The file; None when there is none."""

    def delete(self, name: str) -> None:
        """Removes the file; one that is not there is no error."""

    def older_than(self, moment: float) -> Iterator[str]:
        """Names of what was stored before `moment` (seconds since 1970)."""


def keep(store: PhotoStore, job: str, request: ImageRequest) -> None:
    """Stores the photos of a job's request."""
    for photo in request.photos:
        if photo.data is not None:
            store.put(_name(job, photo), photo.data)


def fetch(store: PhotoStore, job: str, request: ImageRequest) -> ImageRequest:
    """The request with the photos that were kept; one that is gone or damaged stays without its file."""

    def read(photo: Photo) -> Photo:
        data = store.read(_name(job, photo))
        if data is None or hashlib.sha256(data).hexdigest() != photo.id:
            return photo
        return Photo(photo.id, photo.name, data)

    return request.with_photos(read)


def forget(store: PhotoStore, job: str, request: ImageRequest) -> None:
    """Removes the photos of a job."""
    for name in names(job, request):
        store.delete(name)


def names(job: str, request: ImageRequest) -> set[str]:
    """Under which names the store keeps the photos of a job."""
    return {_name(job, photo) for photo in request.photos}


class PhotoFiles:
    """A PhotoStore of files under `data_dir`/photos."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER

    def put(self, name: str, data: bytes) -> None:
        write_atomically(self._folder / name, data)

    def read(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def delete(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def older_than(self, moment: float) -> Iterator[str]:
        for path in self._folder.glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if _NAME.fullmatch(path.name) and path.stat().st_mtime < moment:
                    yield path.name


def open_photos(settings: Settings) -> PhotoStore:
    """The store beside that of the artifacts. Raises SettingsInvalid and MissingDependency."""
    if settings.artifacts_url is None:
        return PhotoFiles(settings.data_dir)
    from imagegen.store.objects import PhotoObjects, open_bucket

    return PhotoObjects(open_bucket(settings))


def _name(job: str, photo: Photo) -> str:
    return hashlib.sha256(f"{job}/{photo.id}".encode()).hexdigest()
