"""How far a caller's pictures are: the WebUI's tools ask again and again, on another connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from imagegen.artifact import Artifact


@dataclass(slots=True)
class Work:
    """One request that is being carried out."""

    pictures: int
    started: float = field(default_factory=time.monotonic)
    steps: dict[int, tuple[int, int]] = field(default_factory=dict)
    futures: list[Future[Artifact]] = field(default_factory=list)
    interrupted: bool = False

    def on_step(self, place: int) -> Callable[[int, int], None]:
        def step(done: int, total: int) -> None:
            self.steps[place] = (done, total)

        return step

    @property
    def share(self) -> float:
        """0 to 1 of all its steps; finishing counts as nothing."""
        return sum(done / total for done, total in list(self.steps.values())) / self.pictures


class Desk:
    """What each caller has under way, by the id of its key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work: dict[str, list[Work]] = {}

    def begin(self, caller: str, pictures: int) -> Work:
        work = Work(pictures)
        with self._lock:
            self._work.setdefault(caller, []).append(work)
        return work

    def end(self, caller: str, work: Work) -> None:
        with self._lock:
            left = [other for other in self._work.get(caller, []) if other is not work]
            if left:
                self._work[caller] = left
            else:
                self._work.pop(caller, None)

    def of(self, caller: str) -> list[Work]:
        """Oldest first."""
        with self._lock:
            return list(self._work.get(caller, []))

    def interrupt(self, caller: str) -> None:
        """Cancels what is not finished; its requests answer with what is."""
        for work in self.of(caller):
            work.interrupted = True
            for future in work.futures:
                future.cancel()
