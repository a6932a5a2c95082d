"""Jobs on DBOS: every job is a workflow of one step, kept in SQLite or Postgres, which alone knows its state.

The step makes the picture and moves it into place, so carrying it out again after a crash gives the same file
and nothing else. Whoever starts a process decides what is taken up again: `submit` with the id of a job that
was cut short or failed carries it out anew, with the id of a completed one it does nothing. A process never
takes over another one's jobs by itself.

DBOS's own queues are not used: their next job starts at a poll, and the studio's bounded queue needs several
jobs waiting in order to denoise them together. DBOS opens no port here, connects to no control plane and
sends no telemetry; it logs to "dbos", which stays silent unless the program sets up logging.
"""

from __future__ import annotations

import secrets
import threading
from concurrent.futures import CancelledError, Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from dbos import DBOS, DBOSPortableJSONSerializer, SetWorkflowID, WorkflowHandle
from dbos import error as dbos_error
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from imagegen.errors import Cancelled, ImagegenError, OutputNotWritable, SettingsInvalid
from imagegen.jobs.job import Job, JobState, from_record, to_record
from imagegen.request import ImageRequest

if TYPE_CHECKING:
    from imagegen.artifact import Artifact
    from imagegen.settings import Settings
    from imagegen.studio import Studio

WORKFLOW = "make_picture"
RECORD_VERSION = "1"
"""Of what a job's record holds; a change that old records cannot follow counts it up."""

_STATES = {
    "ENQUEUED": JobState.QUEUED,
    "DELAYED": JobState.QUEUED,
    "PENDING": JobState.GENERATING,
    "SUCCESS": JobState.COMPLETED,
    "ERROR": JobState.FAILED,
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
}


class Jobs:
    """Carries jobs out in a studio; use it as a context manager.

    One may be open in a process at a time, because DBOS keeps one instance. Leaving it by an exception
    (Ctrl-C is one) cancels what still runs.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._handles: dict[str, WorkflowHandle[dict[str, Any]]] = {}
        self._pictures: dict[str, Future[Artifact]] = {}
        self._lock = threading.Lock()
        self._closing = False

    def __enter__(self) -> Self:
        settings = self._studio.settings
        url = _database_url(settings)
        try:
            DBOS(
                config={
                    "name": "imagegen",
                    "system_database_url": url,
                    "application_version": RECORD_VERSION,
                    "executor_id": secrets.token_hex(8),  # nobody's before: DBOS finds nothing to take over
                    "serializer": DBOSPortableJSONSerializer(),  # readable, and no pickles are ever loaded
                    "enable_otlp": False,
                    "log_level": "WARNING",
                    # Only how long `destroy` waits: nothing here waits for a notification.
                    "notification_listener_polling_interval_sec": 0.05,
                }
            )
            self._workflow = DBOS.workflow(name=WORKFLOW)(self._workflow_body())
            DBOS.launch()
        except (SQLAlchemyError, dbos_error.DBOSException) as error:
            DBOS.destroy(destroy_registry=True)
            raise _database_error(settings, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = error is not None
        for id in list(self._handles) if self._closing else ():
            self.cancel(id)
        for id in list(self._handles):
            self.wait(id)
        DBOS.destroy(destroy_registry=True)

    def submit(self, id: str, request: ImageRequest, destination: Path) -> None:
        """Starts a job: makes the picture and writes it to `destination`, whose suffix is the format.

        The id names the work: completed once, with its file still there, it is not done again. Raises nothing
        that concerns the picture; that is in the Job.
        """
        earlier = self.get(id)
        if earlier is not None:
            if earlier.state is JobState.COMPLETED and destination.is_file():
                return
            DBOS.delete_workflow(id)
        with SetWorkflowID(id):
            self._handles[id] = DBOS.start_workflow(self._workflow, to_record(request), str(destination))

    def wait(self, id: str) -> Job:
        """The job once it has ended. Raises KeyError for an id that was never submitted."""
        failure: Exception | None = None
        if (handle := self._handles.pop(id, None)) is not None:
            try:
                handle.get_result()
            # The job has failed, not the one who waits for it: the reason goes into the Job.
            except Exception as error:  # noqa: BLE001
                failure = error
        job = self.get(id, failure)
        if job is None:
            raise KeyError(id)
        return job

    def get(self, id: str, failure: Exception | None = None) -> Job | None:
        """How a job stands; None when the id is unknown. `failure` stands in for the record's plain error."""
        status = DBOS.get_workflow_status(id)
        if status is None:
            return None
        error = failure or status.error
        state = _STATES[status.status]
        if state is JobState.FAILED and getattr(error, "code", None) == Cancelled.code:
            state = JobState.CANCELLED
        made = status.output if state is JobState.COMPLETED else {}
        return Job(
            id,
            state,
            file=Path(made["file"]) if made else None,
            seed=made.get("seed"),
            seconds=made.get("seconds"),
            warnings=tuple(made.get("warnings", ())),
            error=error,
        )

    def cancel(self, id: str) -> None:
        """Ends a job at the end of the step it is in; one that has ended stays as it is."""
        DBOS.cancel_workflow(id)
        with self._lock:
            picture = self._pictures.get(id)
        if picture is not None:
            picture.cancel()

    def _workflow_body(self) -> Any:
        """A plain function, because DBOS marks what it registers and a bound method cannot be marked."""

        def make_picture(record: dict[str, Any], destination: str) -> dict[str, Any]:
            made: dict[str, Any] = DBOS.run_step(
                {"name": "make"}, self._make, DBOS.workflow_id, record, destination
            )
            return made

        return make_picture

    def _make(self, id: str, record: dict[str, Any], destination: str) -> dict[str, Any]:
        with self._lock:
            if self._closing:
                raise Cancelled("the job was cancelled")
            picture = self._pictures[id] = self._studio.submit(from_record(record))
        try:
            artifact = picture.result()
        except CancelledError as error:
            raise Cancelled("the job was cancelled") from error
        finally:
            del self._pictures[id]
        file = artifact.save(destination)
        return {
            "file": str(file),
            "seed": artifact.request.seed if artifact.request else None,
            "seconds": artifact.seconds,
            "warnings": list(artifact.warnings),
        }


def _database_url(settings: Settings) -> str:
    if settings.database_url is not None:
        return settings.database_url
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _database_error(settings, error) from error
    return URL.create("sqlite", database=str(settings.data_dir / "jobs.sqlite")).render_as_string()


def _database_error(settings: Settings, error: Exception) -> ImagegenError:
    reason = str(getattr(error, "orig", None) or error).splitlines()[0]
    if settings.database_url is not None:
        return SettingsInvalid(f"the jobs database cannot be used: {reason}", field="database_url")
    return OutputNotWritable(
        f"the jobs database cannot be written: {reason}",
        field=str(settings.data_dir / "jobs.sqlite"),
        hint="set IMAGEGEN_DATA_DIR to a folder you may write to",
    )
