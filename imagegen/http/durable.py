"""What outlives a request: jobs, catalogues, who is told of their ends, and what makes two requests one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagegen.http.idempotency import IdempotencyKeys
from imagegen.metrics import Metrics
from imagegen.settings import Settings
from imagegen.studio import Studio
from imagegen.webhooks.telling import telling

if TYPE_CHECKING:
    from imagegen.batch.batches import Batches
    from imagegen.jobs.jobs import Jobs
    from imagegen.webhooks.deliver import Deliverer


@dataclass(frozen=True, slots=True)
class Durable:
    jobs: Jobs
    deliverer: Deliverer
    keys: IdempotencyKeys
    batches: Batches


@contextmanager
def durable(studio: Studio, settings: Settings, metrics: Metrics | None = None) -> Iterator[Durable]:
    """Opens the queues on the studio; one a process. `metrics` hears of its jobs. Loads DBOS (0.4 s).

    Raises SettingsInvalid and OutputNotWritable when the database cannot be used.
    """
    from imagegen.batch.batches import Batches
    from imagegen.jobs.jobs import Jobs

    observe = (metrics or Metrics()).observe
    keys = IdempotencyKeys(settings)
    try:
        with (
            telling(settings) as deliverer,
            Jobs(studio, settings, shared=True, on_end=deliverer.on_end, observe=observe) as jobs,
            Batches(studio, settings, jobs) as batches,
        ):
            yield Durable(jobs, deliverer, keys, batches)
    finally:
        keys.close()
