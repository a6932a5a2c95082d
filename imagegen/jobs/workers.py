"""Who is alive: each process that carries jobs out says so every few seconds, and what a dead one held is
given back to the queues.

A process is dead when it has been silent for SILENCE seconds; one on this machine as soon as its process id
is gone, or belongs to another process by now. A worker that was only cut off, not dead, changes nothing by
going on: DBOS takes a job's outcome from the one who holds it now, and the picture it writes is the same file
with the same pixels.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from sqlalchemy import Column, Double, Engine, Integer, MetaData, Table, Text, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

BEAT = 2.0  # seconds between two signs of life
SILENCE = 15.0

_workers = Table(
    "imagegen_workers",
    MetaData(),
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("born", Text, nullable=False),  # of the process, by the kernel's clock: a pid comes again
    Column("seen", Double, nullable=False),  # seconds since 1970
)


class Workers:
    """The living, in the database. `id` is this process's own."""

    def __init__(self, engine: Engine, id: str) -> None:
        self.id = id
        self._engine = engine
        self._host = socket.gethostname()

    def enter(self) -> None:
        """Makes the table where it is missing and enters this process."""
        try:
            _workers.metadata.create_all(self._engine)
        except SQLAlchemyError:
            _workers.metadata.create_all(self._engine)  # another worker made it at the same moment
        row = {"id": self.id, "host": self._host, "pid": os.getpid(), "born": _born(os.getpid())}
        with self._engine.begin() as connection:
            connection.execute(insert(_workers).values(**row, seen=time.time()))

    def beat(self) -> None:
        """Says that this process lives, and enters it anew should somebody have taken it for dead."""
        with self._engine.begin() as connection:
            known = connection.execute(
                update(_workers).where(_workers.c.id == self.id).values(seen=time.time())
            )
        if known.rowcount == 0:
            self.enter()

    def leave(self) -> None:
        with self._engine.begin() as connection:
            connection.execute(delete(_workers).where(_workers.c.id == self.id))

    def dead(self, holders: set[str]) -> list[str]:
        """Those of `holders` that are not alive; whoever has died is struck off the table."""
        with self._engine.begin() as connection:
            rows = connection.execute(select(_workers)).all()
            gone = [row.id for row in rows if row.id != self.id and not self._alive(row)]
            if gone:
                connection.execute(delete(_workers).where(_workers.c.id.in_(gone)))
        alive = {row.id for row in rows} - set(gone) | {self.id}
        return sorted(holders - alive)

    def count(self) -> int:
        """Processes that are alive and carry jobs out."""
        with self._engine.connect() as connection:
            return sum(self._alive(row) for row in connection.execute(select(_workers)))

    def _alive(self, row: object) -> bool:
        host, pid, born, seen = (getattr(row, name) for name in ("host", "pid", "born", "seen"))
        gone = host == self._host and born != "" and _born(pid) != born
        return not gone and bool(time.time() - seen < SILENCE)


def _born(pid: int) -> str:
    """When the process started, in the kernel's ticks since boot; "" where there is no such process, or no
    /proc."""
    try:
        # The second field is the program's name, in parentheses, and may hold blanks and parentheses itself.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
