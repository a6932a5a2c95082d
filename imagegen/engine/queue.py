"""Who waits for the device: a bounded queue that hands out batches of compatible requests, first come first
served.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imagegen.engine.plan import Plan
from imagegen.errors import Cancelled, Overloaded

if TYPE_CHECKING:
    import numpy as np

OnStep = Callable[[int, int], None]
OnPreview = Callable[[int, "np.ndarray"], None]


@dataclass(frozen=True, slots=True)
class Generation:
    """The model's own picture: uint8 RGB [height, width, 3], with seconds by phase and what could not be
    honoured in full.
    """

    plan: Plan
    pixels: np.ndarray
    timings: dict[str, float]
    warnings: tuple[str, ...]


@dataclass(slots=True)
class Ticket:
    """A place in the queue.

    `on_step(done, total)` is called after each step; what it raises ends this ticket alone. `on_preview(i,
    pixels)` is called up to `previews` times with what the picture looks like so far, as uint8 RGB.
    """

    plan: Plan
    on_step: OnStep | None = None
    on_preview: OnPreview | None = None
    previews: int = 0
    future: Future[Generation] = field(default_factory=Future)
    queued_at: float = field(default_factory=time.monotonic)

    @property
    def preview_steps(self) -> tuple[int, ...]:
        """The steps to look at, spread evenly; never the last one, which gives the picture itself."""
        if self.on_preview is None:
            return ()
        before = self.plan.steps - 1
        count = min(self.previews, before)
        return tuple(before * (i + 1) // count for i in range(count)) if count else ()

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class TicketQueue:
    """Thread-safe.

    `size` tickets may wait; the next one is refused with Overloaded, which says how long to wait.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting: deque[Ticket] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._seconds_each = 1.0  # running mean of seconds a picture; 1 s until the first one is measured

    def put(self, ticket: Ticket) -> None:
        with self._changed:
            if self._closed:
                raise Cancelled("the engine is closed")
            if len(self._waiting) >= self._size:
                self._drop_cancelled()
            if len(self._waiting) >= self._size:
                wait = max(1.0, len(self._waiting) * self._seconds_each)
                raise Overloaded(
                    f"{len(self._waiting)} pictures are waiting already",
                    retry_after=wait,
                    hint=f"try again in {wait:.0f} s",
                )
            self._waiting.append(ticket)
            self._changed.notify()

    def take(self, most: int) -> list[Ticket]:
        """Waits for work and returns 1 to `most` tickets with one batch key, marked as running; [] once
        closed.
        """
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return []
                key = self._waiting[0].plan.batch_key
                batch = [t for t in self._waiting if t.plan.batch_key == key][:most]
                for ticket in batch:
                    self._waiting.remove(ticket)
                running = [t for t in batch if t.future.set_running_or_notify_cancel()]
                if running:
                    return running

    def measured(self, seconds_each: float) -> None:
        """Tells how long a picture took, so that Overloaded can say when to come back."""
        with self._changed:
            self._seconds_each = 0.8 * self._seconds_each + 0.2 * seconds_each

    def close(self) -> list[Ticket]:
        """No more work is handed out; returns the tickets that were still waiting."""
        with self._changed:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
            return left

    def __len__(self) -> int:
        return len(self._waiting)

    def _drop_cancelled(self) -> None:
        self._waiting = deque(t for t in self._waiting if not t.future.cancelled())
