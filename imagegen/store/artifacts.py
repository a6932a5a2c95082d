"""Where pictures rest: one interface, files in a folder or objects in an S3-compatible store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from imagegen.store.files import ArtifactFiles

if TYPE_CHECKING:
    from imagegen.artifact import Artifact, Format
    from imagegen.settings import Settings


class ArtifactStore(Protocol):
    """Encoded pictures by id: 32 hex digits and the format's suffix. What has no such id is not there."""

    def put(self, artifact: Artifact, format: Format, *, quality: int = 90, id: str | None = None) -> str:
        """Stores the picture, whole or not at all, and returns its id: "<artifact id>.<format>" unless one of
        that kind is given. Raises OutputNotWritable or StoreUnavailable."""

    def read(self, id: str) -> bytes | None:
        """The encoded picture; None when there is none."""

    def path(self, id: str) -> Path | None:
        """The picture's file; None when there is none, or when the store keeps no files."""

    def delete(self, id: str) -> None:
        """Removes the picture; one that is not there is no error."""

    def older_than(self, moment: float) -> Iterator[str]:
        """Ids of what was stored before `moment` (seconds since 1970)."""


def open_artifacts(settings: Settings) -> ArtifactStore:
    """The store that the settings name: data_dir/artifacts, or s3://bucket/prefix. Raises SettingsInvalid and
    MissingDependency."""
    if settings.artifacts_url is None:
        return ArtifactFiles(settings.data_dir)
    from imagegen.store.objects import ArtifactObjects, open_bucket

    return ArtifactObjects(open_bucket(settings))
