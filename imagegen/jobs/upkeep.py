"""What a process that carries jobs out does beside it, every two seconds: it says that it lives, gives back
what dead ones held, stops pictures that somebody cancelled elsewhere, and tells the database how far the
others are.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dbos import DBOS
from sqlalchemy.exc import SQLAlchemyError

from imagegen.jobs.tables import PENDING
from imagegen.jobs.workers import BEAT, SILENCE
from imagegen.store.files import sweep_unfinished

if TYPE_CHECKING:
    from imagegen.jobs.queues import Admission
    from imagegen.jobs.records import Records
    from imagegen.jobs.retention import Retention
    from imagegen.jobs.running import Running
    from imagegen.jobs.workers import Workers

log = logging.getLogger(__name__)

SWEEP = 600.0  # seconds between two looks for what is too old
SLOW = 1.0  # seconds: who waits longer for a picture wants to see it come closer


class Upkeep:
    """One thread, from `start` to `close`. `folders` are swept of what killed processes left half-written."""

    def __init__(
        self,
        records: Records,
        admission: Admission,
        running: Running,
        workers: Workers,
        *,
        shared: bool,
        folders: Sequence[Path] = (),
        retention: Retention | None = None,
    ) -> None:
        self._records = records
        self._admission = admission
        self._running = running
        self._workers = workers
        self._shared = shared
        self._folders = folders
        self._retention = retention
        self._swept = -SWEEP
        self._went_well = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="imagegen-upkeep", daemon=True)

    @property
    def healthy(self) -> bool:
        """True when the last round that went well is not long ago."""
        return time.monotonic() - self._went_well < SILENCE

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and takes this process off the list of the living; when the database is not there,
        the others will notice."""
        self._stop.set()
        self._thread.join()
        try:
            self._workers.leave()
        except SQLAlchemyError as error:
            log.warning("could not take leave: %s", error)

    def round(self) -> None:
        """One time all of it. Raises SQLAlchemyError."""
        self._workers.beat()
        if self._shared:
            self._bury_the_dead()
        if ids := self._running.ids():
            for id in self._records.unwanted(ids):
                self._running.cancel(id)
        for id, (step, steps) in self._running.untold(longer_than=SLOW).items():
            DBOS.update_workflow_attributes(id, {"step": step, "steps": steps}, merge=True)
        if self._shared and time.monotonic() - self._swept > SWEEP:
            self._swept = time.monotonic()
            for folder in self._folders:
                sweep_unfinished(folder)
            if self._retention is not None:
                self._retention.sweep()

    def _work(self) -> None:
        while True:
            try:
                self.round()
                self._went_well = time.monotonic()
            except SQLAlchemyError as error:
                log.warning("the jobs database does not answer: %s", error)
            if self._stop.wait(BEAT):
                return

    def _bury_the_dead(self) -> None:
        """What dead workers held goes back into its queue, with a mark that tells how often that happened."""
        for id in self._workers.dead(self._admission.holders()):
            held = [
                workflow
                for workflow in DBOS.list_workflows(
                    executor_id=id, status=PENDING, load_input=False, load_output=False
                )
                if workflow.queue_name is not None  # the others are bound to a place on their machine
            ]
            for workflow in held:
                crashes = (workflow.attributes or {}).get("crashes", 0) + 1
                DBOS.update_workflow_attributes(workflow.workflow_id, {"crashes": crashes}, merge=True)
                DBOS.resume_workflows([workflow.workflow_id], queue_name=workflow.queue_name)
            if held:  # else another worker was faster
                log.warning("worker %s is gone; %d jobs go to others", id, len(held))
