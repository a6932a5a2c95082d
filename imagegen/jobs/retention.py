"""Forgetting what is old: jobs with their prompts and results, and pictures in the store."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from dbos import DBOS

from imagegen.errors import ImagegenError
from imagegen.jobs.ending import ENDED
from imagegen.store.database import forget_deleted

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from imagegen.jobs.records import Records
    from imagegen.store.artifacts import ArtifactStore

log = logging.getLogger(__name__)

DAY = 86_400.0
AT_ONCE = 500


class Retention:
    """Deletes what ended more than `days` days ago. Several processes may do so at once."""

    def __init__(self, records: Records, store: ArtifactStore, engine: Engine, days: float) -> None:
        self._records = records
        self._store = store
        self._engine = engine
        self._days = days

    def sweep(self) -> int:
        """How many jobs and pictures went. A store that does not answer is tried again the next time, and a
        job goes only after its picture. Raises SQLAlchemyError."""
        moment = time.time() - self._days * DAY
        gone = 0
        try:
            while old := self._records.ended_before(moment, AT_ONCE):
                for _, artifact in old:
                    if artifact is not None:
                        self._store.delete(artifact)
                ids = [id for id, _ in old]
                DBOS.delete_workflows([*ids, *(f"{id}.{ENDED}" for id in ids)])
                gone += len(old)
            for artifact in list(self._store.older_than(moment)):
                self._store.delete(artifact)
                gone += 1
        except ImagegenError as error:
            log.warning("old pictures stay for now: %s", error)
        if gone:
            forget_deleted(self._engine)
            log.info("%d jobs and pictures were older than %g days and are deleted", gone, self._days)
        return gone
