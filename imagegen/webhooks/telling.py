"""What a process that carries out jobs needs in order to tell of their ends: hand `on_end` to its Jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from imagegen.settings import Settings
from imagegen.webhooks.deliver import Deliverer
from imagegen.webhooks.records import WebhookRecords


@contextmanager
def telling(settings: Settings) -> Iterator[Deliverer]:
    """A deliverer whose next attempts are delayed workflows in the queue of ended jobs."""
    records = WebhookRecords(settings)
    try:
        yield Deliverer(settings, records, _again)
    finally:
        records.close()


def _again(job: str, attempts: int, seconds: float) -> None:
    """Has the job's end told once more after so many seconds, by whichever process works then."""
    from dbos import DBOS

    from imagegen.jobs.ending import ENDED

    DBOS.enqueue_workflow_with_options(
        {
            "workflow_name": "job_ended",
            "workflow_id": f"{job}.{ENDED}.{attempts + 1}",
            "queue_name": ENDED,
            "delay_seconds": seconds,
        },
        job,
    )
