"""Pictures, and the photos of jobs, as objects in an S3-compatible store, through obstore (the extra `s3`).

Credentials and region come from the environment as for any S3 client (AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_REGION, ...).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagegen.errors import MissingDependency, SettingsInvalid, StoreUnavailable
from imagegen.store.files import is_artifact_id

if TYPE_CHECKING:
    from imagegen.artifact import Artifact, Format
    from imagegen.settings import Settings

_PATIENCE = timedelta(seconds=20)  # for one call, its own retries included


class ArtifactObjects:
    """An ArtifactStore in `bucket`, an obstore store."""

    def __init__(self, bucket: Any) -> None:
        self._bucket = bucket

    def put(self, artifact: Artifact, format: Format, *, quality: int = 90, id: str | None = None) -> str:
        name = f"{artifact.id}.{format}" if id is None else id
        data = artifact.encode(format, quality=quality)
        with _reachable():
            self._bucket.put(name, data, attributes={"Content-Type": f"image/{format}"})
        return name

    def read(self, id: str) -> bytes | None:
        if not is_artifact_id(id):
            return None
        with _reachable():
            try:
                return bytes(self._bucket.get(id).bytes())
            except FileNotFoundError:
                return None

    def path(self, id: str) -> Path | None:
        return None

    def delete(self, id: str) -> None:
        if is_artifact_id(id):
            with _reachable():
                self._bucket.delete(id)

    def older_than(self, moment: float) -> Iterator[str]:
        with _reachable():
            for page in self._bucket.list():
                for found in page:
                    name = found["path"].rpartition("/")[2]
                    if found["last_modified"].timestamp() < moment and is_artifact_id(name):
                        yield name


class PhotoObjects:
    """A PhotoStore in `bucket`, an obstore store, under photos/."""

    def __init__(self, bucket: Any) -> None:
        self._bucket = bucket

    def put(self, name: str, data: bytes) -> None:
        with _reachable():
            self._bucket.put(f"photos/{name}", data)

    def read(self, name: str) -> bytes | None:
        with _reachable():
            try:
                return bytes(self._bucket.get(f"photos/{name}").bytes())
            except FileNotFoundError:
                return None

    def delete(self, name: str) -> None:
        with _reachable():
            self._bucket.delete(f"photos/{name}")

    def older_than(self, moment: float) -> Iterator[str]:
        with _reachable():
            for page in self._bucket.list("photos/"):
                for found in page:
                    if found["last_modified"].timestamp() < moment:
                        yield found["path"].rpartition("/")[2]


def open_bucket(settings: Settings) -> Any:
    """The bucket of `artifacts_url`; nothing is connected yet. Raises SettingsInvalid, MissingDependency."""
    try:
        from obstore.store import S3Store
    except ImportError as error:
        raise MissingDependency(
            "an S3 store needs obstore", field="artifacts_url", hint="pip install 'imagegen[s3]'"
        ) from error
    url, endpoint = settings.artifacts_url or "", settings.artifacts_endpoint
    if not url.startswith("s3://") or not url.removeprefix("s3://").strip("/"):
        raise SettingsInvalid("is no bucket", field="artifacts_url", hint="write it as s3://bucket/prefix")
    return S3Store.from_url(
        url,
        config=None if endpoint is None else {"endpoint": endpoint},
        client_options={"allow_http": (endpoint or "").startswith("http://"), "timeout": _PATIENCE},
        retry_config={"max_retries": 3, "retry_timeout": _PATIENCE},
    )


@contextmanager
def _reachable() -> Iterator[None]:
    """Says what a store that does not answer, or refuses, means."""
    try:
        yield
    # obstore has one error class for each kind of store's trouble, and OSErrors for some.
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise StoreUnavailable(
            f"the artifact store does not take or give pictures: {reason}", field="artifacts_url"
        ) from error
