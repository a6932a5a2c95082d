"""Carrying one job out: a workflow of one step, repeated after a while when what went wrong may pass.

The step makes the picture and moves it into place under a name that follows from the job, so a job that is
carried out twice (its worker died between the file and the record of it) leaves one file.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextvars import Context
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from dbos import DBOS, PortableWorkflowError
from dbos import error as dbos_error

from imagegen.artifact import format_of
from imagegen.errors import Cancelled, DeadlineExceeded, GenerationFailed, ImagegenError
from imagegen.jobs.job import Priority, artifact_id
from imagegen.request import ImageRequest
from imagegen.store.files import write_atomically
from imagegen.store.photos import fetch

if TYPE_CHECKING:
    from imagegen.artifact import Artifact, Format
    from imagegen.jobs.running import Running
    from imagegen.store.artifacts import ArtifactStore
    from imagegen.store.photos import PhotoStore
    from imagegen.studio import Studio

log = logging.getLogger(__name__)

MAKE = "make_picture"
ATTEMPTS = 5
FIRST_WAIT, WAIT_GROWTH = 2.0, 3.0  # seconds: 2, 6, 18, 54
MOST_CRASHES = 20
"""Workers that may die with a job in hand before it is taken for the cause. Each one holds up to three
batches, so most of the jobs that a crash interrupts are innocent of it."""

Observe = Callable[[str, float, dict[str, str]], None]


class Place(TypedDict):
    """Where a job's picture goes and until when it is wanted: what its record holds beside the request."""

    destination: str | None
    format: Format
    deadline: float | None
    owner: str
    priority: str


class Maker:
    """Makes the pictures of jobs in `studio`.

    `crashes(id)` says how many workers died over a job, `wanted(id)` whether it is neither cancelled nor
    deleted; `ended(id)` is called inside the workflow at its end.
    """

    def __init__(
        self,
        studio: Studio,
        store: ArtifactStore,
        photos: PhotoStore,
        running: Running,
        *,
        crashes: Callable[[str], int],
        wanted: Callable[[str], bool],
        ended: Callable[[str], None],
        observe: Observe,
    ) -> None:
        self._studio = studio
        self._store = store
        self._photos = photos
        self._running = running
        self._crashes = crashes
        self._wanted = wanted
        self._ended = ended
        self._observe = observe
        self.closing = False
        self.left = False  # True once this process is in no queue any more

    def workflow(self) -> Callable[[dict[str, Any], Place], dict[str, Any]]:
        """A plain function, because DBOS marks what it registers and a bound method cannot be marked."""

        def make_picture(record: dict[str, Any], place: Place) -> dict[str, Any]:
            id = str(DBOS.workflow_id)
            try:
                made = self._persist(id, record, place)
            except PortableWorkflowError as error:
                if self.left:  # the process ends, not the job: another worker takes it
                    raise
                self._ended(id)
                if error.code == Cancelled.code:  # else lists and counts would call it failed
                    Context().run(DBOS.cancel_workflow, id)  # outside the workflow, which it ends
                raise
            except (dbos_error.DBOSWorkflowCancelledError, dbos_error.DBOSWorkflowConflictIDError):
                # Not ours any more. Whoever holds it now writes the same file; when nobody does, it goes.
                if not self._wanted(id):
                    self.discard(id, place)
                raise
            self._ended(id)
            return made

        return make_picture

    def discard(self, id: str, place: Place) -> None:
        """Removes the picture of a job that is not wanted. A file in a place of the caller's own stays."""
        if place["destination"] is None:
            self._store.delete(artifact_id(id, place["format"]))

    def _persist(self, id: str, record: dict[str, Any], place: Place) -> dict[str, Any]:
        for attempt in range(ATTEMPTS):
            try:
                made: dict[str, Any] = DBOS.run_step({"name": "make"}, self._make, id, record, place)
                return made
            except PortableWorkflowError as error:
                if not (error.data or {}).get("transient") or attempt + 1 == ATTEMPTS:
                    raise
                log.warning("job %s is tried again: %s", id, error.code)
            DBOS.sleep(FIRST_WAIT * WAIT_GROWTH**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _make(self, id: str, record: dict[str, Any], place: Place) -> dict[str, Any]:
        self._running.enter(id)
        started = time.monotonic()
        try:
            artifact = self._picture(id, record, place)
            made = self._put(id, artifact, place)
        except ImagegenError as error:
            raise _portable(error) from error
        # The job has failed, and its record is where one looks for the reason.
        except Exception as error:
            log.exception("job %s failed", id)
            raise _portable(ImagegenError(f"the job failed: {error}")) from error
        finally:
            self._running.leave(id)
        labels = {"priority": place["priority"]}
        self._observe("job_seconds", time.monotonic() - started, labels)
        return made

    def _picture(self, id: str, record: dict[str, Any], place: Place) -> Artifact:
        # From here on `Running` hears of a cancel; whatever was said before is on record.
        if self.closing or not self._wanted(id):
            raise Cancelled("the job was cancelled")
        if place["deadline"] is not None and time.time() > place["deadline"]:
            raise DeadlineExceeded("its deadline passed before a worker could begin")
        if (crashes := self._crashes(id)) >= MOST_CRASHES:
            raise GenerationFailed(f"{crashes} workers died while they made this picture")
        future = self._studio.submit(
            fetch(self._photos, id, ImageRequest.from_dict(record)),
            on_step=lambda done, total: self._running.step(id, done, total),
            owner=place["owner"],
            priority=Priority(place["priority"]),
            bounded=False,
        )
        self._running.attach(id, future)
        try:
            return future.result()
        except CancelledError as error:
            raise Cancelled("the job was cancelled") from error

    def _put(self, id: str, artifact: Artifact, place: Place) -> dict[str, Any]:
        file = name = None
        if place["destination"] is not None:
            path = Path(place["destination"])
            write_atomically(path, artifact.encode(format_of(path)))
            file = str(path)
        else:
            name = self._store.put(artifact, place["format"], id=artifact_id(id, place["format"]))
        details = artifact.to_dict()
        request = details.pop("request") or {}
        return {
            "file": file,
            "artifact": name,
            "steps": request.get("steps"),
            "seconds": artifact.seconds,
            "warnings": list(artifact.remarks),
            "details": details,
        }


def _portable(error: ImagegenError) -> PortableWorkflowError:
    """The error as the database keeps it, and as it comes back from there."""
    data = {"param": error.field, "hint": error.hint, "transient": error.transient}
    return PortableWorkflowError(error.message, type(error).__name__, error.code, data)
