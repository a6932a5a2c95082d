"""Telling somebody that a job has ended: a durable workflow of its own, so that neither a crash nor a
receiver that is down loses the news, and each job has one to tell.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dbos import DBOS

from imagegen.jobs.job import Job

ENDED = "ended"
_LOOK = 0.05  # seconds: the job's own record follows within a transaction or two


class Ending:
    """Calls `on_end` with each job whose end is `enqueue`d."""

    def __init__(self, get: Callable[[str], Job | None], on_end: Callable[[Job], None] | None) -> None:
        self._get = get
        self._on_end = on_end

    def register(self) -> None:
        """Tells DBOS of the workflow; before launch."""

        def job_ended(id: str) -> None:
            while (job := self._get(id)) is not None and not job.state.final:
                time.sleep(_LOOK)
            if job is not None and self._on_end is not None:
                self._on_end(job)

        DBOS.workflow(name="job_ended")(job_ended)

    def enqueue(self, id: str) -> None:
        """Once for each job, however often it is called."""
        DBOS.enqueue_workflow_with_options(
            {"workflow_name": "job_ended", "workflow_id": f"{id}.{ENDED}", "queue_name": ENDED}, id
        )
