"""One thread owns the device: it loads models, takes batches from the queue and runs the pipeline on them.

It keeps one model at a time; a request for another one loads that in its place, and a long time without any
lets it go. When the thread dies, those whose pictures it was making hear of it and a new one takes over. It
does not know finishing, files or wire formats.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from imagegen.engine.cache import PictureCache
from imagegen.engine.fitting import Fit, fit
from imagegen.engine.inputs import read_inputs
from imagegen.engine.memory import free_memory, on_gpu, release_memory
from imagegen.engine.plan import Plan, plan
from imagegen.engine.queue import Generation, OnPreview, OnStep, Ticket, TicketQueue
from imagegen.errors import Cancelled, DeviceFailed, GenerationFailed, ImagegenError, OutOfMemory
from imagegen.pipeline.prompt_cache import PromptCache
from imagegen.request import ImageRequest, Priority
from imagegen.settings import Settings
from imagegen.weights.catalog import ModelCard, find_model
from imagegen.weights.memory import Needs, memory_needs

if TYPE_CHECKING:
    import numpy as np

    from imagegen.pipeline.opening import Pipeline

log = logging.getLogger(__name__)

MANY_FAILURES = 3
"""Pictures in a row that failed for no reason that we know: then the device is taken for ill."""


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
        self._loaded: tuple[Path, Pipeline] | None = None
        self._cache = PictureCache(settings.cache_mb << 20) if settings.cache_mb else None
        self._room: dict[
            tuple[object, ...], int
        ] = {}  # pictures that fit into memory at once, where fewer do
        self._read_needs: Needs | None = None
        self._prompts = PromptCache(settings.prompt_cache_mb << 20) if settings.prompt_cache_mb else None
        self._has_worked = False
        self._busy_since: float | None = None
        self._failures = 0  # in a row, for no reason that we know
        self.restarts = 0

    def submit(
        self,
        request: ImageRequest,
        on_step: OnStep | None = None,
        on_preview: OnPreview | None = None,
        previews: int = 0,
        *,
        owner: str = "",
        priority: Priority = Priority.INTERACTIVE,
        bounded: bool = True,
    ) -> Future[Generation]:
        """Queues a request; the callbacks and what follows them are Ticket's.

        Raises ModelNotFound, InvalidRequest, InputFileInvalid or Overloaded at once; the rest comes through
        the future, Overloaded too, when the place is needed for an owner who has less.
        """
        planned = self.check(request)
        if self._cache is not None and (known := self._cache.get(planned)) is not None:
            done: Future[Generation] = Future()
            done.set_result(known)
            return done
        return self._enqueue(
            Ticket(planned, on_step, on_preview, previews, owner=owner, priority=priority, bounded=bounded)
        )

    def check(self, request: ImageRequest) -> Plan:
        """What the model would be asked for, its photos read; nothing is queued. Raises ModelNotFound,
        InvalidRequest and InputFileInvalid."""
        directory = self._settings.models_dir
        card = find_model(request.model, directory)
        return plan(request, card, read_inputs(request, card, directory))

    def forget(self, request: ImageRequest) -> None:
        """Drops what memory keeps of a request's picture and prompt. Raises ModelNotFound and
        InvalidRequest."""
        card = find_model(request.model, self._settings.models_dir)
        if self._prompts is not None:
            self._prompts.drop(card, request.prompt)
        if self._cache is not None and not request.photos:  # what was made of photos is not kept
            self._cache.drop(plan(request, card))

    def warm_up(self, model: str) -> Future[Generation]:
        """Loads a model and runs it once, so that the first real request pays for neither."""
        return self.submit(ImageRequest("warm-up", model=model, seed=0))

    @property
    def alive(self) -> bool:
        """True unless the engine was closed or its thread has died and no other has taken over."""
        return not self._closing and (self._owner is None or self._owner.is_alive())

    def ailments(self) -> list[str]:
        """What keeps the next picture from being made, in words."""
        if not self.alive:
            return ["the device's thread has ended"]
        found = []
        # A model that was let go for want of work is loaded again by the next request.
        if self._loaded is None and not self._has_worked:
            found.append("no model is in memory (yet)")
        if self._failures >= MANY_FAILURES:
            found.append(f"the last {self._failures} pictures failed, one after the other")
        since = self._busy_since
        if since is not None and time.monotonic() - since > self._settings.stall_seconds:
            found.append(f"the device has not moved for {time.monotonic() - since:.0f} s")
        return found

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
            if self._owner is None or not self._owner.is_alive():
                self._start()
        return ticket.future

    def _start(self) -> None:
        self._owner = threading.Thread(target=self._own, name="imagegen-engine", daemon=True)
        self._owner.start()

    def _own(self) -> None:
        """The thread's life; its death, which `_work` does not foresee, has a successor."""
        batch: list[Ticket] = []
        try:
            self._work(batch)
        # Whatever ends the thread, those who wait must not wait for ever.
        except BaseException as error:
            log.exception("the device's thread died")
            lost = DeviceFailed("the device's thread died while the picture was made", hint="ask again")
            lost.__cause__ = error
            for ticket in batch:
                ticket.fail(lost)
            self._loaded, self._busy_since = None, None
            with self._lock:
                self.restarts += 1
                if not self._closing:
                    self._start()

    def _work(self, batch: list[Ticket]) -> None:
        while (taken := self._queue.take(self._settings.max_batch, self._settings.idle_seconds)) != []:
            batch[:] = taken or []
            if taken is None:
                self._let_go()
                continue
            self._busy_since = time.monotonic()
            self._carry_out(taken)
            self._busy_since = None

    def _carry_out(self, batch: list[Ticket]) -> None:
        """Makes the pictures of a batch, fewer at once where memory asks for it."""
        first = batch[0].plan
        room = len(batch)
        while batch:
            part, rest = batch, batch[:0]
            try:
                started = time.monotonic()
                fitting = self._fitting(first, room)
                pipeline = self._pipeline(first.card)
                pipeline.keep_text_encoder = fitting.keep_text_encoder
                pipeline.keep_graphs = fitting.graphs
                room = fitting.batch
                part, rest = batch[:room], batch[room:]
                self._generate(part, pipeline, started)
                self._failures = 0
            # The thread must outlive any request, and every error must reach the one who asked.
            except Exception as error:  # noqa: BLE001
                named = _named(error)
                # What was planned tried one picture already; what memory refuses may fit in parts.
                if isinstance(named, OutOfMemory) and named is not error and len(part) > 1:
                    room = self._room[first.batch_key] = len(part) // 2
                    log.warning("%d pictures do not fit into memory at once; %d from now on", len(part), room)
                    continue
                self._count_failure(named, error)
                for ticket in part:
                    ticket.fail(named)
            batch = rest

    def _count_failure(self, named: ImagegenError, error: Exception) -> None:
        self._failures = self._failures + 1 if named is not error and type(named) is GenerationFailed else 0
        if self._failures >= MANY_FAILURES:
            self._loaded = None  # what it holds may be what is broken

    def _let_go(self) -> None:
        if self._loaded is None:
            return
        log.info("no work for %s s: the model leaves the memory", self._settings.idle_seconds)
        self._loaded = None
        release_memory()

    def _fitting(self, plan: Plan, asked: int) -> Fit:
        """How up to `asked` pictures of a kind may be made: what memory taught, what the owner of the machine
        allows, and what is free. Raises OutOfMemory."""
        needs, settings = self._needs(plan.card), self._settings
        if self._loaded is not None and self._loaded[0] != plan.card.path:
            self._loaded = None  # frees the old model before the new one takes its memory
            release_memory()
        tokens = plan.reference_tokens
        room = 1 if plan.card.by_diffusers else min(asked, self._room.get(plan.batch_key, settings.max_batch))
        if settings.batch_memory_mb is not None:
            allowed = settings.batch_memory_mb << 20
            room = max(1, min(room, allowed // needs.picture(plan.width, plan.height, tokens)))
        return fit(
            needs,
            plan.width,
            plan.height,
            room,
            free=free_memory(settings.device),
            held=0 if self._loaded is None else self._loaded[1].held_bytes(needs),
            policy=settings.text_encoder,
            more_tokens=tokens,
            photo=plan.photo_pixels,
            graphs=self._graphs() if settings.cuda_graphs and not plan.card.by_diffusers else None,
        )

    def _graphs(self) -> int | None:
        """What recorded steps hold now; None on a CPU, which records none."""
        if not on_gpu(self._settings.device):
            return None
        return 0 if self._loaded is None else self._loaded[1].graph_bytes

    def _needs(self, card: ModelCard) -> Needs:
        """Read once for each model: its headers are many."""
        if self._read_needs is None or self._read_needs.card != card:
            self._read_needs = memory_needs(card, gpu=on_gpu(self._settings.device))
        return self._read_needs

    def _generate(self, batch: list[Ticket], pipeline: Pipeline, started: float) -> None:
        first = batch[0].plan
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
            starts=[t.plan.inputs.image for t in batch if t.plan.inputs.image is not None],
            strength=first.request.strength if first.request.strength is not None else 1.0,
            references=[t.plan.inputs.references for t in batch] if first.inputs.references else (),
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
                generation = Generation(ticket.plan, generated.picture, timings, warnings)
                if self._cache is not None:
                    self._cache.put(generation)
                ticket.future.set_result(generation)

    def _report(self, batch: list[Ticket], done: int, total: int) -> None:
        self._busy_since = time.monotonic()
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

    def _pipeline(self, card: ModelCard) -> Pipeline:
        if self._loaded is not None and self._loaded[0] == card.path:
            return self._loaded[1]
        import torch

        from imagegen.pipeline.opening import open_pipeline
        from imagegen_kernels import card as graphics_card

        graphics_card.choose(self._settings.kernels)
        graphics_card.keep_tiles_in(self._settings.tiles_dir)
        if self._settings.threads is not None:
            torch.set_num_threads(self._settings.threads)
        pipeline = open_pipeline(card, self._settings.device, self._prompts)
        self._loaded = (card.path, pipeline)
        self._has_worked = True
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
    if (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)  # torch on a CPU
    ):
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
