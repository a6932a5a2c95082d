"""What is kept in memory for the next time, up to so many bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Bounded(Generic[Value]):
    """Thread-safe; holds at most `size` bytes and lets go what was not asked for the longest."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[Value, int]] = OrderedDict()

    def get(self, key: bytes) -> Value | None:
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: bytes, value: Value, nbytes: int) -> None:
        """Keeps a value of so many bytes, unless that is more than there may be in all."""
        with self._lock:
            self._drop(key)
            if nbytes > self._size:
                return
            self._kept[key] = (value, nbytes)
            self._held += nbytes
            while self._held > self._size:
                self._drop(next(iter(self._kept)))

    def drop(self, key: bytes) -> None:
        with self._lock:
            self._drop(key)

    def __len__(self) -> int:
        return len(self._kept)

    def _drop(self, key: bytes) -> None:
        _, nbytes = self._kept.pop(key, (None, 0))
        self._held -= nbytes
