"""Jobs on DBOS: every job is a workflow of one step, kept in SQLite or Postgres, which alone knows its state.

A job with a place of its own (a row of `imagegen batch`, a file on this machine) is carried out by the
process that was handed it. Any other waits in a durable queue for whichever worker is free, on this machine
or another; when a worker dies, the others give back what it held. `queues` says who goes next, `making`
carries one out, `upkeep` looks after the dead, and `workers` knows who lives.

DBOS opens no port here, connects to no control plane and sends no telemetry; it logs to "dbos", which stays
silent unless the program sets up logging.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from dbos import (
    DBOS,
    DBOSContextSetAuth,
    DBOSPortableJSONSerializer,
    SetWorkflowAttributes,
    SetWorkflowID,
    WorkflowHandle,
)
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from imagegen.errors import ImagegenError, JobNotFound
from imagegen.jobs.ending import ENDED, Ending
from imagegen.jobs.job import Job, JobState, Page, Priority
from imagegen.jobs.making import MAKE, Maker, Observe, Place
from imagegen.jobs.queues import QUEUES, Admission
from imagegen.jobs.records import Records
from imagegen.jobs.retention import Retention
from imagegen.jobs.running import Running
from imagegen.jobs.tables import workflows
from imagegen.jobs.traces import Traces
from imagegen.jobs.upkeep import Upkeep
from imagegen.jobs.workers import Workers
from imagegen.request import ImageRequest
from imagegen.store.artifacts import open_artifacts
from imagegen.store.database import database_error, database_url, forget_deleted, open_database
from imagegen.store.files import ARTIFACTS
from imagegen.store.photos import FOLDER as PHOTOS
from imagegen.store.photos import keep, open_photos

if TYPE_CHECKING:
    from imagegen.artifact import Format
    from imagegen.settings import Settings
    from imagegen.studio import Studio

RECORD_VERSION = "2"
"""Of what a job's record holds; a change that old records cannot follow counts it up."""

# Seconds between two looks into a queue: what an idle worker adds to a job's latency at most, half of it on
# average. A look takes a millisecond or two from whatever else the process does: at 0.1 and 0.25, 37 ms of
# each second of an idle server on a busy machine. A worker takes three batches at a look, so it does not run
# out of work in between.
POLL = {Priority.INTERACTIVE: 0.2, Priority.BATCH: 0.5}
POLL_ENDED = 1.0
LOOK = 0.25  # seconds between two looks at a job whose end is waited for
SOON = 0.01  # ... of which the first look comes so soon, because the record follows the picture
DELETED_AT_ONCE = 200
GONE = 10.0  # seconds that `delete` waits for the end of a running step

log = logging.getLogger(__name__)


class Jobs:
    """Hands jobs in, carries them out and tells how they stand; use it as a context manager.

    studio      makes the pictures; None only hands in and looks.
    shared      True takes jobs from the queues, as a server or a worker does. False (the command line)
                carries out those with a place of their own alone.
    on_end      called with each ended job that was given a webhook, inside a durable workflow of its own
                whose id is the job's and ".ended": DBOS steps and sleeps may be used, and after a crash it is
                called again.
    observe     hears measurements: name, value, labels.

    One may be open in a process at a time, because DBOS keeps one instance. Leaving it waits for what this
    process carries out: for its own files to the end, for jobs of the queues at most `drain_seconds` (a
    setting), after which another worker takes them. Leaving by an exception (Ctrl-C is one) cancels the
    former.

    Raises SettingsInvalid and OutputNotWritable when the database cannot be used.
    """

    def __init__(
        self,
        studio: Studio | None,
        settings: Settings | None = None,
        *,
        shared: bool = False,
        on_end: Callable[[Job], None] | None = None,
        observe: Observe = lambda name, value, labels: None,
    ) -> None:
        if studio is None and (settings is None or shared):
            raise ValueError("without a studio, settings are needed and nothing can be shared")
        self.settings = settings if settings is not None else studio.settings  # type: ignore[union-attr]
        self._studio = studio
        self._shared = shared
        self._on_end = on_end
        self._observe = observe
        self._running = Running()
        self._store = open_artifacts(self.settings)
        self._photos = open_photos(self.settings)
        self._handles: dict[str, WorkflowHandle[dict[str, Any]]] = {}
        self._maker: Maker | None = None
        self._traces = Traces(self._store, self._photos)
        self._retention: Retention | None = None
        self._upkeep: Upkeep | None = None

    def __enter__(self) -> Self:
        settings = self.settings
        self._engine = open_database(settings)
        self._id = secrets.token_hex(8)  # nobody's before: DBOS takes over nothing by itself
        table = workflows(self._engine)
        self._records = Records(self._engine, table, self._running)
        self._admission = Admission(
            self._engine, table, size=settings.jobs_size, per_owner=settings.jobs_per_key
        )
        self._ending = Ending(self._records.get, self._on_end)
        try:
            self._launch()
        except (SQLAlchemyError, dbos_error.DBOSException) as error:
            DBOS.destroy(destroy_registry=True)
            self._engine.dispose()
            raise database_error(settings, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._maker is not None:
            self._maker.closing = error is not None
        for id in list(self._handles) if error is not None else ():
            self.cancel(id)
        for id in list(self._handles):
            self.wait(id)
        DBOS.destroy(
            destroy_registry=True,
            workflow_completion_timeout_sec=round(self.settings.drain_seconds) if self._busy() else 0,
        )
        if self._maker is not None:
            self._maker.left = True
        if self._upkeep is not None:
            self._upkeep.close()
        self._engine.dispose()

    def submit(
        self,
        request: ImageRequest,
        *,
        id: str | None = None,
        owner: str = "",
        priority: Priority = Priority.INTERACTIVE,
        batch: str | None = None,
        label: str | None = None,
        destination: Path | None = None,
        format: Format = "png",
        webhook: str | None = None,
        deadline: float | None = None,
        again: bool = False,
    ) -> Job:
        """Hands a job in. It is on record, on disk, when this returns.

        id          names the work: handed in a second time it is not done a second time, and the job is
                    returned as it stands. None makes a new id.
        owner       whose it is (an API key's id; "" is the machine's owner); owners take turns.
        batch, label
                    what to find it by: the batch it belongs to, a SKU or handle.
        destination where the picture goes, by this process; its suffix is the format. None leaves it to any
                    worker and puts the picture into the artifact store as `format`.
        webhook     who hears of the end: `on_end` reads it in the Job.
        deadline    seconds since 1970 after which it is not begun any more.
        again       a job of that id which failed, was cancelled, or whose picture is gone is done anew.

        Raises Overloaded when too many jobs wait already, and OutputNotWritable or StoreUnavailable when the
        request's photos cannot be kept. Raises nothing that concerns the picture; that is in the Job.
        """
        if id is None:
            # The time first, so that ids sort as jobs were handed in; the rest cannot be guessed.
            id = f"job-{time.time_ns():016x}{secrets.token_hex(12)}"
        elif (earlier := self.get(id)) is not None:
            if self._stands(earlier, again):
                return earlier
            DBOS.delete_workflows([id, f"{id}.{ENDED}"])
        place: Place = {
            "destination": None if destination is None else str(destination.absolute()),
            "format": format,
            "deadline": deadline,
            "owner": owner,
            "priority": priority.value,
        }
        facts = {"priority": priority.value, "batch": batch, "label": label, "webhook": webhook}
        attributes = {name: value for name, value in facts.items() if value is not None}
        record = request.seeded().to_dict()  # drawn now: whoever carries it out makes the same picture
        turn = self._admission.place(owner, priority) if destination is None else 0
        keep(self._photos, id, request)  # before the record, which a worker may take at once
        if destination is None:
            options = {
                "workflow_name": MAKE,
                "workflow_id": id,
                "queue_name": QUEUES[priority],
                "app_version": RECORD_VERSION,
                "priority": turn,
                "queue_partition_key": owner,
                "authenticated_user": owner,
                "attributes": attributes,
            }
            DBOS.enqueue_workflow_with_options(options, record, place)
        else:
            if self._maker is None:
                raise ValueError("a job with a destination needs a studio")
            with SetWorkflowID(id), SetWorkflowAttributes(attributes), DBOSContextSetAuth(owner, None):
                self._handles[id] = DBOS.start_workflow(self._workflow, record, place)
        return self._known(id)

    def get(self, id: str, owner: str | None = None) -> Job | None:
        """How a job stands; None when the id is unknown, or not `owner`'s where one is given."""
        job = self._records.get(id)
        return None if job is None or owner not in (None, job.owner) else job

    def list(
        self,
        *,
        owner: str | None = None,
        state: JobState | None = None,
        batch: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Jobs, newest first; `after` is the `next` of the page before. Raises InvalidRequest(after)."""
        return self._records.page(owner=owner, state=state, batch=batch, after=after, limit=limit)

    def counts(self, batch: str) -> dict[JobState, int]:
        """How many of a batch's jobs are in each state (those that occur)."""
        return self._records.counts(batch)

    @property
    def healthy(self) -> bool:
        """True while the database answers and this process counts as alive."""
        return self._upkeep is None or self._upkeep.healthy

    def waiting(self) -> int:
        """Jobs in the queues that no worker has taken yet."""
        return self._admission.waiting()

    def cancel(self, id: str) -> Job:
        """Ends a job at the end of the step it is in; one that has ended stays as it is. Raises
        JobNotFound."""
        job = self._known(id)
        if job.state.final:
            return job
        DBOS.cancel_workflow(id)
        self._running.cancel(id)
        if job.webhook is not None:
            self._ending.enqueue(id)
        return self._known(id)

    def delete(self, id: str) -> None:
        """Removes a job with every trace of it: record, prompt, photos, result and the picture in the store.
        What was written to a place of the caller's own stays. One that is being made is cancelled first.
        Raises JobNotFound."""
        self._delete([self.cancel(id)])

    def delete_batch(self, batch: str) -> None:
        """`delete` for all the jobs of a batch."""
        while jobs := self.list(batch=batch, limit=DELETED_AT_ONCE).jobs:
            self._delete([self.cancel(job.id) for job in jobs])

    def also_forget(self, remove: Callable[[float], int]) -> None:
        """Has `remove(moment)` called whenever jobs are deleted for their age: what ended before then
        (seconds since 1970) shall go, and it says how much went."""
        if self._retention is not None:
            self._retention.also.append(remove)

    def wait(self, id: str, timeout: float | None = None) -> Job:
        """The job once it has ended, or as it stands after `timeout` seconds. Raises JobNotFound."""
        if timeout is None and (handle := self._handles.get(id)) is not None:
            try:
                handle.get_result()
            # The job has failed, not the one who waits for it: the reason is in the Job.
            except Exception as error:  # noqa: BLE001
                log.debug("job %s: %s", id, error)
            self._handles.pop(id, None)
        until = None if timeout is None else time.monotonic() + timeout
        pause = SOON
        while not (job := self._known(id)).state.final:
            left = LOOK if until is None else until - time.monotonic()
            if left <= 0:
                break
            if self._running.progress(id) is not None:
                self._running.wait_gone(id, left)
                pause = SOON
            else:
                time.sleep(min(left, pause))
                pause = min(2 * pause, LOOK)
        return job

    def _launch(self) -> None:
        settings = self.settings
        engine = self._engine
        sqlite = engine.dialect.name == "sqlite"
        DBOS(
            config={
                "name": "imagegen",
                "system_database_url": database_url(settings).render_as_string(hide_password=False),
                "system_database_engine": engine if sqlite else None,
                "application_version": RECORD_VERSION,
                "executor_id": self._id,
                "serializer": DBOSPortableJSONSerializer(),  # readable, and no pickles are ever loaded
                "enable_otlp": False,
                "log_level": "WARNING",
                # Only how long `destroy` waits: nothing here waits for a notification.
                "notification_listener_polling_interval_sec": 0.05,
            }
        )
        DBOS.listen_queues([*QUEUES.values(), ENDED] if self._shared else [])
        if self._studio is not None:
            self._maker = Maker(
                self._studio,
                self._store,
                self._photos,
                self._running,
                crashes=self._records.crashes,
                wanted=self._records.wanted,
                ended=self._end_of,
                observe=self._observe,
            )
            self._workflow = DBOS.workflow(name=MAKE)(self._maker.workflow())
        self._ending.register()
        workers = Workers(engine, self._id)
        if self._studio is not None:
            workers.enter()
        DBOS.launch()
        if self._shared:
            ahead = 3 * settings.max_batch  # one batch on the device, one ready, one being finished
            for priority, queue in QUEUES.items():
                DBOS.register_queue(
                    queue,
                    worker_concurrency=ahead,
                    polling_interval_sec=POLL[priority],
                    on_conflict="always_update",
                )
            DBOS.register_queue(ENDED, worker_concurrency=16, polling_interval_sec=POLL_ENDED)
        if self._studio is not None:
            days = settings.retention_days
            if days and self._shared:
                self._retention = Retention(self._records, self._traces, engine, days)
            self._upkeep = Upkeep(
                self._records,
                self._admission,
                self._running,
                workers,
                shared=self._shared,
                folders=(settings.data_dir / ARTIFACTS, settings.data_dir / PHOTOS),
                retention=self._retention,
            )
            self._upkeep.start()

    def _busy(self) -> bool:
        """Whether this process holds jobs of the queues: some may have been taken and not yet begun."""
        if not self._shared:
            return False
        try:
            return bool(self._running.ids()) or self._id in self._admission.holders()
        except SQLAlchemyError:  # nothing could be written about their end either
            return False

    def _delete(self, jobs: Sequence[Job]) -> None:
        """Of jobs that have ended, or were told to."""
        for job in jobs:
            self._running.wait_gone(job.id, GONE)
        self._traces.remove(jobs)
        forget_deleted(self._engine)
        if self._studio is None:
            return
        for job in jobs:
            with contextlib.suppress(ImagegenError):  # a model that is gone keeps nothing
                self._studio.forget(job.request)

    def _end_of(self, id: str) -> None:
        """Inside the job's workflow, at its end."""
        if self._records.has_webhook(id):
            self._ending.enqueue(id)

    def _stands(self, job: Job, again: bool) -> bool:
        """Whether a job that is handed in once more needs nothing done."""
        if not job.state.final:
            # What a dead process was to write to a place of its own, nobody else takes up.
            return job.id in self._handles or not self._records.is_orphan(job.id)
        if not again:
            return True
        if job.state is not JobState.COMPLETED:
            return False
        return (
            job.file.is_file() if job.file is not None else self._store.read(job.artifact or "") is not None
        )

    def _known(self, id: str) -> Job:
        job = self._records.get(id)
        if job is None:
            raise JobNotFound(f"there is no job {id!r}", hint="it was never handed in, or was deleted")
        return job
