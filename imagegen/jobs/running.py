"""What this process is making at the moment: how far each picture is, and how to stop it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class _Picture:
    future: Future[Any] | None = None
    cancelled: bool = False  # which may be said before there is a future
    since: float = field(default_factory=time.monotonic)
    step: int = 0
    steps: int = 0
    told: int = 0  # the step that the database knows of


class Running:
    """Thread-safe. `changed` is notified whenever a picture starts, takes a step or leaves."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._pictures: dict[str, _Picture] = {}

    def enter(self, id: str) -> None:
        with self.changed:
            self._pictures[id] = _Picture()
            self.changed.notify_all()

    def attach(self, id: str, future: Future[Any]) -> None:
        with self.changed:
            picture = self._pictures[id]
            picture.future = future
        if picture.cancelled:
            future.cancel()

    def step(self, id: str, done: int, total: int) -> None:
        with self.changed:
            if (picture := self._pictures.get(id)) is not None:
                picture.step, picture.steps = done, total
                self.changed.notify_all()

    def leave(self, id: str) -> None:
        with self.changed:
            self._pictures.pop(id, None)
            self.changed.notify_all()

    def cancel(self, id: str) -> None:
        """Stops the picture at the end of the step it is in."""
        with self.changed:
            if (picture := self._pictures.get(id)) is None:
                return
            picture.cancelled = True
        if picture.future is not None:
            picture.future.cancel()

    def progress(self, id: str) -> tuple[int, int] | None:
        """(step, steps) of a picture that is made here."""
        with self.changed:
            picture = self._pictures.get(id)
            return None if picture is None else (picture.step, picture.steps)

    def untold(self, longer_than: float) -> dict[str, tuple[int, int]]:
        """Progress that the database does not know yet, of pictures that take longer than so many seconds;
        from now on it counts as told."""
        now = time.monotonic()
        with self.changed:
            news = {
                id: picture
                for id, picture in self._pictures.items()
                if picture.step != picture.told and now - picture.since > longer_than
            }
            for picture in news.values():
                picture.told = picture.step
            return {id: (picture.step, picture.steps) for id, picture in news.items()}

    def ids(self) -> list[str]:
        with self.changed:
            return list(self._pictures)

    def wait_gone(self, id: str, seconds: float) -> bool:
        """True once the picture is not made here (any more)."""
        with self.changed:
            return self.changed.wait_for(lambda: id not in self._pictures, seconds)
