"""Forgetting what is old: jobs with their prompts, photos and results, and pictures in the store."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from imagegen.errors import ImagegenError
from imagegen.store.database import forget_deleted
from imagegen.store.photos import names

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from imagegen.jobs.records import Records
    from imagegen.jobs.traces import Traces

log = logging.getLogger(__name__)

DAY = 86_400.0
AT_ONCE = 500
HANDING_IN = 3600.0  # seconds, at most, from a job's first photo to its record, whatever the clocks


class Retention:
    """Deletes what ended more than `days` days ago. Several processes may do so at once.

    `also` are called first with that moment, and delete what jobs know nothing of: the folders of batches.
    They say how much went.
    """

    def __init__(self, records: Records, traces: Traces, engine: Engine, days: float) -> None:
        self._records = records
        self._traces = traces
        self._engine = engine
        self._days = days
        self.also: list[Callable[[float], int]] = []

    def sweep(self) -> int:
        """How many batches, jobs and pictures went. A store that does not answer is tried again the next
        time, and a job goes only after its picture. Raises SQLAlchemyError."""
        moment = time.time() - self._days * DAY
        gone = 0
        try:
            gone += sum(remove(moment) for remove in self.also)
            while old := self._records.ended_before(moment, AT_ONCE):
                self._traces.remove(old)
                gone += len(old)
            store = self._traces.store
            for artifact in list(store.older_than(moment)):
                store.delete(artifact)
                gone += 1
            self._sweep_photos(moment)
        except ImagegenError as error:
            log.warning("old pictures stay for now: %s", error)
        if gone:
            forget_deleted(self._engine)
            log.info(
                "%d batches, jobs and pictures were older than %g days and are deleted", gone, self._days
            )
        return gone

    def _sweep_photos(self, moment: float) -> None:
        """Those of jobs that never came on record. A job that is there needs its own, however long ago it was
        handed in: it may wait, or be made, for longer than its photos are old."""
        photos = self._traces.photos
        if old := set(photos.older_than(moment)):
            jobs = self._records.handed_in_before(moment + HANDING_IN)
            needed = {name for job in jobs for name in names(job.id, job.request)}
            for photo in old - needed:
                photos.delete(photo)
