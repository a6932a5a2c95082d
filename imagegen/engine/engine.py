"""One thread owns the device: it loads models, takes batches from the queue and runs the pipeline on them.

It keeps one model at a time; a request for another one loads that in its place.
It does not know finishing, files or wire formats.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from imagegen.engine.plan import plan
from imagegen.engine.queue import Generation, OnPreview, OnStep, Ticket, TicketQueue
from imagegen.errors import Cancelled, GenerationFailed, ImagegenError, OutOfMemory
from imagegen.request import ImageRequest
from imagegen.settings import Settings
from imagegen.weights.catalog import ModelCard, find_model

if TYPE_CHECKING:
    import numpy as np

    from imagegen.pipeline.text_to_image import TextToImage

log = logging.getLogger(__name__)


class Engine:
    """Starts its thread at the first request.

    `close()` ends it; what was queued is cancelled, a running step is finished first.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._queue = TicketQueue(settings.queue_size)
        self._lock = threading.Lock()
        self._owner: threading.Thread | None = None
        self._closing = False
        self._loaded: tuple[Path, TextToImage] | None = None

    def submit(
        self,
        request: ImageRequest,
        on_step: OnStep | None = None,
        on_preview: OnPreview | None = None,
        previews: int = 0,
    ) -> Future[Generation]:
        """Queues a request; the callbacks are Ticket's.

        Raises ModelNotFound, InvalidRequest or Overloaded at once; the rest comes through the future.
        """
        card = find_model(request.model, self._settings.models_dir)
        return self._enqueue(Ticket(plan(request, card), on_step, on_preview, previews))

    def warm_up(self, model: str) -> Future[Generation]:
        """Loads a model and runs it once, so that the first real request pays for neither."""
        return self.submit(ImageRequest("warm-up", model=model, seed=0, recipe=None))

    @property
    def alive(self) -> bool:
        """True unless the owner thread has died or was closed."""
        return not self._closing and (self._owner is None or self._owner.is_alive())

    def ailments(self) -> list[str]:
        """What keeps the next picture from being made, in words."""
        if not self.alive:
            return ["the device's thread has ended"]
        return [] if self._loaded is not None else ["no model is in memory (yet)"]

    @property
    def waiting(self) -> int:
        """Tickets in the queue now."""
        return len(self._queue)

    def close(self) -> None:
        """Idempotent. Waits for the owner thread, which stops at the end of the step it is in."""
        self._closing = True
        for ticket in self._queue.close():
            ticket.future.cancel()
        if self._owner is not None and self._owner is not threading.current_thread():
            self._owner.join()

    def _enqueue(self, ticket: Ticket) -> Future[Generation]:
        with self._lock:
            self._queue.put(ticket)
            if self._owner is None:
                self._owner = threading.Thread(target=self._work, name="imagegen-engine", daemon=True)
                self._owner.start()
        return ticket.future

    def _work(self) -> None:
        while batch := self._queue.take(self._settings.max_batch):
            try:
                self._generate(batch)
            # The thread must outlive any request, and every error must reach the one who asked.
            except Exception as error:  # noqa: BLE001
                for ticket in batch:
                    ticket.fail(_named(error))

    def _generate(self, batch: list[Ticket]) -> None:
        started = time.monotonic()
        first = batch[0].plan
        pipeline = self._pipeline(first.card)
        loaded = time.monotonic()
        result = pipeline.generate(
            [t.plan.request.prompt for t in batch],
            [t.plan.request.seed or 0 for t in batch],
            width=first.width,
            height=first.height,
            steps=first.steps,
            on_step=lambda done, total: self._report(batch, done, total),
            previews={i: ticket.preview_steps for i, ticket in enumerate(batch) if ticket.preview_steps},
            on_preview=lambda i, done, pixels: _preview(batch[i], done, pixels),
        )
        self._queue.measured((time.monotonic() - loaded) / len(batch))
        shares = {phase: seconds / len(batch) for phase, seconds in result.timings.items()}
        for ticket, generated in zip(batch, result.pictures, strict=True):
            if not ticket.future.done():
                timings = {
                    "queue": started - ticket.queued_at,
                    "load": (loaded - started) / len(batch),
                    **shares,
                }
                warnings = ticket.plan.warnings + generated.warnings
                ticket.future.set_result(Generation(ticket.plan, generated.picture, timings, warnings))

    def _report(self, batch: list[Ticket], done: int, total: int) -> None:
        for ticket in batch:
            if ticket.future.done():
                continue
            try:
                if self._closing:
                    raise Cancelled("the engine was closed while the picture was being made")
                if ticket.on_step is not None:
                    ticket.on_step(done, total)
            # The callback is the caller's own code: what it raises ends his picture and nobody else's.
            except Exception as error:  # noqa: BLE001
                ticket.fail(error)
        if all(ticket.future.done() for ticket in batch):
            raise Cancelled("nobody waits for this batch any more")

    def _pipeline(self, card: ModelCard) -> TextToImage:
        if self._loaded is not None and self._loaded[0] == card.path:
            return self._loaded[1]
        import torch

        from imagegen.pipeline.text_to_image import TextToImage
        from imagegen.weights.load import load_components

        if self._settings.threads is not None:
            torch.set_num_threads(self._settings.threads)
        self._loaded = None  # frees the old model before the new one takes its memory
        pipeline = TextToImage(load_components(card, self._settings.device))
        self._loaded = (card.path, pipeline)
        return pipeline


def _preview(ticket: Ticket, done: int, pixels: np.ndarray) -> None:
    if ticket.on_preview is None or ticket.future.done():
        return
    try:
        ticket.on_preview(ticket.preview_steps.index(done), pixels)
    # As in `_report`: the caller's own code.
    except Exception as error:  # noqa: BLE001
        ticket.fail(error)


def _named(error: Exception) -> ImagegenError:
    """The error in our own tree, with the original as its cause."""
    if isinstance(error, ImagegenError):
        return error
    named: ImagegenError
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        named = OutOfMemory(
            "the picture does not fit into memory",
            field="size",
            hint="ask for a smaller picture or fewer at once",
        )
    else:
        log.error("generation failed", exc_info=error)
        named = GenerationFailed(
            f"the model failed: {error}", hint="`imagegen doctor` shows what this machine can do"
        )
    named.__cause__ = error
    return named
