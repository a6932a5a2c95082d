"""Who goes next: two durable queues, and within each one the owners in turn.

A worker takes from a queue what has the lowest priority number. That number is a fair queue's tag (start-time
fair queueing; Goyal, Vin and Cheng 1996): a job gets one more than its owner's last waiting job, and at least
the tag that is being served now. Ten jobs of one owner and ten of another are thus taken alternately, whoever
handed them in first, by any number of workers, and the database needs to sort by one column only.

Interactive and batch jobs have a queue each, so that a thousand rows underway never hold a place which
somebody who waits could have.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, Table, func, select, text

from imagegen.errors import Overloaded
from imagegen.jobs.job import Priority
from imagegen.jobs.tables import ENQUEUED, PENDING

QUEUES = {Priority.INTERACTIVE: "interactive", Priority.BATCH: "batch"}
LAST_TAG = 2**31 - 1  # DBOS's largest priority
# Said in literals as well, or SQLite would not see that DBOS's partial indexes hold all that is asked for.
IN_FLIGHT = text("status IN ('ENQUEUED', 'PENDING')")
SECONDS_EACH = 1.0  # a guess for Retry-After, until a picture was measured


class Admission:
    """Decides whether a job may wait, and where.

    `size` jobs may wait in all and `per_owner` of one owner; interactive and batch are counted together.
    """

    def __init__(self, engine: Engine, table: Table, *, size: int, per_owner: int) -> None:
        self._engine = engine
        self._size = size
        self._per_owner = per_owner
        self._table = table

    def place(self, owner: str, priority: Priority, seconds_each: float = SECONDS_EACH) -> int:
        """The tag of the owner's next job. Raises Overloaded when a bound is reached."""
        tag, mine = self._table.c.priority, self._table.c.queue_partition_key == owner
        here = self._table.c.queue_name == QUEUES[priority]
        with self._engine.connect() as connection:
            own = connection.scalar(self._select(func.count(), ENQUEUED, mine)) or 0
            total = connection.scalar(self._select(func.count(), ENQUEUED)) or 0
            served = connection.scalar(self._select(func.min(tag), ENQUEUED, here)) or 1
            last = connection.scalar(self._select(func.max(tag), ENQUEUED, here, mine)) or 0
        for count, bound, whose in ((own, self._per_owner, "of this key "), (total, self._size, "")):
            if count >= bound:
                wait = max(1.0, count * seconds_each)
                raise Overloaded(
                    f"{count:,} jobs {whose}are waiting already",
                    retry_after=wait,
                    hint=f"try again in {wait:.0f} s",
                )
        return min(max(served, last + 1), LAST_TAG)

    def waiting(self) -> int:
        """Jobs that no worker has taken yet."""
        with self._engine.connect() as connection:
            return connection.scalar(self._select(func.count(), ENQUEUED)) or 0

    def holders(self) -> set[str]:
        """The executors that have taken something from any queue and not ended it."""
        t = self._table
        taken = (t.c.status == PENDING, IN_FLIGHT, t.c.queue_name.is_not(None))
        with self._engine.connect() as connection:
            rows = connection.scalars(select(t.c.executor_id).where(*taken).distinct())
            return {row for row in rows if row is not None}

    def _select(self, what: ColumnElement[Any], status: str, *more: ColumnElement[bool]) -> Select[Any]:
        t = self._table
        in_queue = t.c.queue_name.in_(list(QUEUES.values()))
        return select(what).select_from(t).where(in_queue, t.c.status == status, IN_FLIGHT, *more)
