"""A worker: a process that makes pictures for jobs that others hand in."""

from __future__ import annotations

import threading
from collections.abc import Callable

from imagegen.engine.memory import settle_memory
from imagegen.jobs.jobs import Jobs
from imagegen.settings import Settings
from imagegen.studio import Studio
from imagegen.webhooks.telling import telling
from imagegen.weights.catalog import find_model


def work(
    settings: Settings,
    stop: threading.Event,
    *,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Takes jobs from the queues until `stop` is set; what is being made then has `drain_seconds` to end, and
    the rest goes to other workers.

    `on_ready` is called once the model is in memory. Raises ModelNotFound, CheckpointInvalid and
    SettingsInvalid before anything is taken.
    """
    find_model(settings.model, settings.models_dir)
    with Studio(settings) as studio:
        studio.warm_up()
        settle_memory()
        with telling(settings) as deliverer, Jobs(studio, shared=True, on_end=deliverer.on_end):
            on_ready()
            stop.wait()
