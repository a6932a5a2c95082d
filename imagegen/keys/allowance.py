"""What a key has left: requests of this minute, pictures of this day.

Requests are counted by this process; pictures in the database, for all processes and across restarts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Column, Integer, MetaData, String, Table, select, update

from imagegen.errors import QuotaExceeded
from imagegen.keys.key import Key
from imagegen.settings import Settings
from imagegen.store.records import Records

MINUTE, DAY = 60, 86_400  # seconds

TABLES = MetaData()
_used = Table(
    "imagegen_key_use",
    TABLES,
    Column("key", String(32), primary_key=True),
    Column("day", Integer, primary_key=True),  # days since 1970, UTC
    Column("pictures", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Left:
    """One limit as the RateLimit headers tell it: `left` of `quota`, full again in `reset` seconds."""

    policy: str
    quota: int
    window: int
    left: int
    reset: int


class Allowance:
    """Counts for every key. `now` gives unix seconds."""

    def __init__(self, settings: Settings, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._records = Records(settings, TABLES)
        self._lock = threading.Lock()
        self._minutes: dict[str, tuple[int, int]] = {}  # key -> (minute, requests in it)

    def count_request(self, key: Key) -> list[Left]:
        """Counts one request; what is left afterwards. Raises QuotaExceeded for one too many."""
        if key.rate is None:
            return []
        now = self._now()
        minute, reset = int(now // MINUTE), MINUTE - int(now % MINUTE)
        with self._lock:
            then, before = self._minutes.get(key.id, (minute, 0))
            used = (before if then == minute else 0) + 1
            self._minutes[key.id] = (minute, min(used, key.rate))
        left = Left("requests", key.rate, MINUTE, max(0, key.rate - used), reset)
        if used > key.rate:
            raise QuotaExceeded(
                f"this key may send {key.rate} requests a minute", retry_after=reset, limits=[left]
            )
        return [left]

    def take_pictures(self, key: Key, pictures: int) -> Left | None:
        """Counts pictures that are about to be made, all or none; None without a quota. Raises QuotaExceeded
        when they are more than is left today."""
        if key.quota is None:
            return None
        now = self._now()
        day, reset = int(now // DAY), DAY - int(now % DAY)
        today = (_used.c.key == key.id) & (_used.c.day == day)
        counted = select(_used.c.pictures).where(today)
        if not self._records.rows(counted):
            self._records.insert_once(_used, key=key.id, day=day, pictures=0)
        fits = today & (_used.c.pictures + pictures <= key.quota)
        taken = self._records.change(update(_used).where(fits).values(pictures=_used.c.pictures + pictures))
        used = self._records.rows(counted)[0][0]
        left = Left("pictures", key.quota, DAY, max(0, key.quota - used), reset)
        if not taken:
            raise QuotaExceeded(
                f"this key may make {key.quota} pictures a day, and {left.left} are left of today's",
                retry_after=reset,
                limits=[left],
            )
        return left

    def give_back(self, key: Key, pictures: int) -> None:
        """Pictures that were counted and could not be queued."""
        if key.quota is None:
            return
        today = (_used.c.key == key.id) & (_used.c.day == int(self._now() // DAY))
        enough = today & (_used.c.pictures >= pictures)
        self._records.change(update(_used).where(enough).values(pictures=_used.c.pictures - pictures))

    def close(self) -> None:
        self._records.close()
