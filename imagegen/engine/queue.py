"""Who waits for the device: a bounded queue that hands out batches of compatible requests and lets owners
take turns.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imagegen.engine.plan import Plan
from imagegen.errors import Cancelled, Overloaded
from imagegen.request import Priority

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


@dataclass(slots=True, eq=False)
class Ticket:
    """A place in the queue.

    `on_step(done, total)` is called after each step; what it raises ends this ticket alone. `on_preview(i,
    pixels)` is called up to `previews` times with what the picture looks like so far, as uint8 RGB.
    `bounded` is False for what was admitted elsewhere (a durable job): it is never refused. `turn` is the
    queue's.
    """

    plan: Plan
    on_step: OnStep | None = None
    on_preview: OnPreview | None = None
    previews: int = 0
    future: Future[Generation] = field(default_factory=Future)
    queued_at: float = field(default_factory=time.monotonic)
    owner: str = ""
    priority: Priority = Priority.INTERACTIVE
    bounded: bool = True
    turn: tuple[bool, int, int] = (False, 0, 0)

    @property
    def preview_steps(self) -> tuple[int, ...]:
        """The steps to look at, spread evenly; never the last one, which gives the picture itself."""
        if self.on_preview is None:
            return ()
        before = self.plan.steps - 1
        count = min(self.previews, before)
        return tuple(before * (i + 1) // count for i in range(count)) if count else ()

    def refuse(self, error: BaseException) -> None:
        """Ends a ticket that was waiting."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class TicketQueue:
    """Thread-safe.

    Interactive tickets go before batch ones, and owners take turns: a ticket gets one more than its owner's
    last tag, and at least the tag that was served last (start-time fair queueing). `size` bounded tickets may
    wait. When they do, the newest of the owner who has most gives way to one who has less; where nobody has
    more than the newcomer, the newcomer is refused. Either hears Overloaded, which says how long to wait.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting: list[Ticket] = []
        self._changed = threading.Condition()
        self._closed = False
        self._seconds_each = 1.0  # running mean of seconds a picture; 1 s until the first one is measured
        self._handed_in = 0
        self._served = dict.fromkeys(Priority, 0)
        self._last: dict[tuple[Priority, str], int] = {}

    def put(self, ticket: Ticket) -> None:
        with self._changed:
            if self._closed:
                raise Cancelled("the engine is closed")
            if ticket.bounded:
                self._make_room(ticket)
            self._line_up(ticket)
            self._changed.notify()

    def take(self, most: int, idle: float | None = None) -> list[Ticket] | None:
        """Waits for work and returns 1 to `most` tickets with one batch key and priority, marked as running;
        [] once closed, None when nothing came for `idle` seconds."""
        with self._changed:
            while True:
                if not self._changed.wait_for(lambda: self._waiting or self._closed, idle):
                    return None
                if self._closed:
                    return []
                lined_up = sorted(self._waiting, key=lambda ticket: ticket.turn)
                first = lined_up[0]
                alike = (first.priority, first.plan.batch_key)
                batch = [t for t in lined_up if (t.priority, t.plan.batch_key) == alike][:most]
                self._serve(batch)
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
            left = self._waiting
            self._waiting = []
            self._changed.notify_all()
            return left

    def __len__(self) -> int:
        return len(self._waiting)

    def _line_up(self, ticket: Ticket) -> None:
        whose = (ticket.priority, ticket.owner)
        tag = max(self._served[ticket.priority], self._last.get(whose, 0)) + 1
        self._last[whose] = tag
        self._handed_in += 1
        ticket.turn = (ticket.priority is Priority.BATCH, tag, self._handed_in)
        self._waiting.append(ticket)

    def _serve(self, batch: list[Ticket]) -> None:
        priority = batch[0].priority
        taken = {id(ticket) for ticket in batch}
        self._waiting = [ticket for ticket in self._waiting if id(ticket) not in taken]
        self._served[priority] = max(self._served[priority], min(ticket.turn[1] for ticket in batch))
        # Whoever has been served up to here starts with the others next time: nothing to remember of him.
        self._last = {whose: tag for whose, tag in self._last.items() if tag > self._served[whose[0]]}

    def _make_room(self, newcomer: Ticket) -> None:
        bounded = [ticket for ticket in self._waiting if ticket.bounded]
        if len(bounded) >= self._size:
            self._waiting = [ticket for ticket in self._waiting if not ticket.future.cancelled()]
            bounded = [ticket for ticket in self._waiting if ticket.bounded]
        if len(bounded) < self._size:
            return
        wait = max(1.0, len(bounded) * self._seconds_each)
        refusal = Overloaded(
            f"{len(bounded)} pictures are waiting already",
            retry_after=wait,
            hint=f"try again in {wait:.0f} s",
        )
        counts = Counter(ticket.owner for ticket in bounded)
        greediest, most = max(counts.items(), key=lambda item: item[1])
        if most <= counts[newcomer.owner] + 1:
            raise refusal
        newest = max((t for t in bounded if t.owner == greediest), key=lambda ticket: ticket.turn)
        self._waiting.remove(newest)
        # Its turn goes back to its owner, whose next picture would else wait for a turn that nobody takes.
        whose = (newest.priority, newest.owner)
        if self._last.get(whose) == newest.turn[1]:
            self._last[whose] -= 1
        newest.refuse(refusal)
