"""Forgetting what is old: jobs with their prompts, photos and results, and pictures in the store."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from dbos import DBOS

from imagegen.errors import ImagegenError
from imagegen.jobs.ending import ENDED
from imagegen.store.database import forget_deleted
from imagegen.store.photos import forget

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from imagegen.jobs.records import Records
    from imagegen.store.artifacts import ArtifactStore
    from imagegen.store.photos import PhotoStore

log = logging.getLogger(__name__)

DAY = 86_400.0
AT_ONCE = 500


class Retention:
    """Deletes what ended more than `days` days ago. Several processes may do so at once."""

    def __init__(
        self, records: Records, store: ArtifactStore, photos: PhotoStore, engine: Engine, days: float
    ) -> None:
        self._records = records
        self._store = store
        self._photos = photos
        self._engine = engine
        self._days = days

    def sweep(self) -> int:
        """How many jobs and pictures went. A store that does not answer is tried again the next time, and a
        job goes only after its picture. Raises SQLAlchemyError."""
        moment = time.time() - self._days * DAY
        gone = 0
        try:
            while old := self._records.ended_before(moment, AT_ONCE):
                for job in old:
                    if job.artifact is not None:
                        self._store.delete(job.artifact)
                    forget(self._photos, job.id, job.request)
                ids = [job.id for job in old]
                DBOS.delete_workflows([*ids, *(f"{id}.{ENDED}" for id in ids)])
                gone += len(old)
            for artifact in list(self._store.older_than(moment)):
                self._store.delete(artifact)
                gone += 1
            for photo in list(self._photos.older_than(moment)):  # of jobs that never came on record, too
                self._photos.delete(photo)
        except ImagegenError as error:
            log.warning("old pictures stay for now: %s", error)
        if gone:
            forget_deleted(self._engine)
            log.info("%d jobs and pictures were older than %g days and are deleted", gone, self._days)
        return gone
