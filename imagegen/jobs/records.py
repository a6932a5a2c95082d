"""Reading jobs out of DBOS's tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextvars import Context
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dbos import DBOS
from sqlalchemy import ColumnElement, Engine, Table, and_, func, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import OperationalError

from imagegen.errors import InvalidRequest
from imagegen.jobs.job import Job, JobState, Page, Priority, artifact_id
from imagegen.jobs.making import MAKE
from imagegen.jobs.tables import CANCELLED, DELAYED, ENQUEUED, ERROR, GIVEN_UP, PENDING, SUCCESS
from imagegen.request import ImageRequest

if TYPE_CHECKING:
    from imagegen.jobs.running import Running

T = TypeVar("T")

STATES = {
    ENQUEUED: JobState.QUEUED,
    DELAYED: JobState.QUEUED,
    PENDING: JobState.GENERATING,
    SUCCESS: JobState.COMPLETED,
    ERROR: JobState.FAILED,
    GIVEN_UP: JobState.FAILED,
    CANCELLED: JobState.CANCELLED,
}
MOST_LISTED = 1000
PATIENCE = 30.0  # seconds that a database which restarts is waited for


class Records:
    """What the database knows of jobs, and what `running` knows better of those that are made here."""

    def __init__(self, engine: Engine, table: Table, running: Running) -> None:
        self._engine = engine
        self._table = table
        self._running = running

    def get(self, id: str) -> Job | None:
        found = self._jobs([id])
        return found[0] if found else None

    def page(
        self,
        *,
        owner: str | None,
        state: JobState | None,
        batch: str | None,
        after: str | None,
        limit: int,
    ) -> Page:
        """Newest first. Raises InvalidRequest(field="after" or "limit")."""
        if not 1 <= limit <= MOST_LISTED:
            raise InvalidRequest(f"must be 1 to {MOST_LISTED}, not {limit}", field="limit")
        t = self._table
        where = [t.c.name == MAKE]
        if owner is not None:
            where.append(t.c.authenticated_user == owner)
        if state is not None:
            where.append(t.c.status.in_([status for status, shown in STATES.items() if shown is state]))
        if batch is not None:
            where.append(self._of_batch(batch))
        if after is not None:
            created, id = _position(after)
            where.append(
                or_(t.c.created_at < created, and_(t.c.created_at == created, t.c.workflow_uuid < id))
            )
        query = (
            select(t.c.workflow_uuid, t.c.created_at)
            .where(*where)
            .order_by(t.c.created_at.desc(), t.c.workflow_uuid.desc())
            .limit(limit + 1)
        )
        rows = patiently(lambda: self._all(query))
        shown = rows[:limit]
        order = {row.workflow_uuid: place for place, row in enumerate(shown)}
        jobs = sorted(self._jobs(list(order)), key=lambda job: order[job.id]) if order else []
        more = f"{shown[-1].created_at}-{shown[-1].workflow_uuid}" if len(rows) > limit else None
        return Page(tuple(jobs), more)

    def counts(self, batch: str) -> dict[JobState, int]:
        t = self._table
        query = select(t.c.status, func.count()).where(t.c.name == MAKE, self._of_batch(batch))
        counts: dict[JobState, int] = {}
        for status, count in patiently(lambda: self._all(query.group_by(t.c.status))):
            counts[STATES[status]] = counts.get(STATES[status], 0) + count
        return counts

    def ended_before(self, moment: float, most: int) -> list[Job]:
        """Some jobs that ended before `moment` (seconds since 1970)."""
        t = self._table
        final = [status for status, state in STATES.items() if state.final]
        ended = (t.c.status.in_(final), t.c.completed_at < int(moment * 1000))
        query = select(t.c.workflow_uuid).where(t.c.name == MAKE, *ended).limit(most)
        ids = [row[0] for row in patiently(lambda: self._all(query))]
        return self._jobs(ids) if ids else []

    def handed_in_before(self, moment: float) -> Iterator[Job]:
        """Every job on record that was handed in before `moment` (seconds since 1970), however it stands."""
        t = self._table
        query = select(t.c.workflow_uuid).where(t.c.name == MAKE, t.c.created_at < int(moment * 1000))
        ids = [row[0] for row in patiently(lambda: self._all(query))]
        for start in range(0, len(ids), MOST_LISTED):
            yield from self._jobs(ids[start : start + MOST_LISTED])

    def crashes(self, id: str) -> int:
        """How many workers died with the job in hand."""
        return int(self._attributes(id).get("crashes", 0))

    def has_webhook(self, id: str) -> bool:
        return "webhook" in self._attributes(id)

    def wanted(self, id: str) -> bool:
        """False for a job that was cancelled or deleted."""
        return id not in self.unwanted([id])

    def unwanted(self, ids: list[str]) -> set[str]:
        """Those of `ids` that were cancelled or deleted."""
        t = self._table
        query = select(t.c.workflow_uuid).where(t.c.workflow_uuid.in_(ids), t.c.status != CANCELLED)
        return set(ids) - {row[0] for row in patiently(lambda: self._all(query))}

    def is_orphan(self, id: str) -> bool:
        """True for a job in no queue that nobody will take up: its process has died or forgotten it."""
        t = self._table
        query = select(t.c.queue_name).where(t.c.workflow_uuid == id)
        return [row[0] for row in patiently(lambda: self._all(query))] == [None]

    def _attributes(self, id: str) -> dict[str, Any]:
        query = select(self._table.c.attributes).where(self._table.c.workflow_uuid == id)
        rows = patiently(lambda: self._all(query))
        return rows[0][0] or {} if rows else {}

    def _of_batch(self, batch: str) -> ColumnElement[bool]:
        attributes = self._table.c.attributes
        if self._engine.dialect.name == "postgresql":
            return type_coerce(attributes, JSONB).contains({"batch": batch})  # which DBOS's GIN index answers
        named: ColumnElement[bool] = attributes["batch"].as_string() == batch
        return named

    def _all(self, query: Any) -> list[Any]:
        with self._engine.connect() as connection:
            return list(connection.execute(query).all())

    def _jobs(self, ids: list[str]) -> list[Job]:
        # In a context without a workflow: inside one, DBOS would keep what we read as the result of a step.
        found = patiently(lambda: Context().run(DBOS.list_workflows, workflow_ids=ids))
        return [self._job(status) for status in found]

    def _job(self, status: Any) -> Job:
        record, place = status.input["args"]
        facts = status.attributes or {}
        state = STATES[status.status]
        error = _error(status.error) if state is JobState.FAILED else None
        made: dict[str, Any] = status.output or {} if state is JobState.COMPLETED else {}
        step, steps = self._running.progress(status.workflow_id) or (0, 0)
        if not steps:
            step, steps = facts.get("step", 0), facts.get("steps", 0)
        if made:
            step = steps = made["steps"]
        return Job(
            status.workflow_id,
            state,
            ImageRequest.from_dict(record),
            owner=status.authenticated_user or "",
            priority=Priority(facts.get("priority", Priority.INTERACTIVE)),
            batch=facts.get("batch"),
            label=facts.get("label"),
            webhook=facts.get("webhook"),
            created=status.created_at / 1000,
            started=_seconds(status.dequeued_at),
            ended=_seconds(status.completed_at) if state.final else None,
            step=step,
            steps=steps,
            file=Path(made["file"]) if made.get("file") else None,
            artifact=made.get("artifact"),
            kept_as=None if place["destination"] else artifact_id(status.workflow_id, place["format"]),
            seed=record["seed"],
            seconds=made.get("seconds"),
            warnings=tuple(made.get("warnings", ())),
            details=made.get("details", {}),
            error=error,
        )


def patiently(read: Callable[[], T]) -> T:
    """What `read` returns, tried again while the database cannot be reached."""
    until = time.monotonic() + PATIENCE
    wait = 0.1
    while True:
        try:
            return read()
        except OperationalError:
            if time.monotonic() + wait > until:
                raise
        time.sleep(wait)
        wait = min(2 * wait, 2.0)


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _error(error: Any) -> dict[str, str | None]:
    data = getattr(error, "data", None) or {}
    return {
        "code": str(getattr(error, "code", None) or "internal_error"),
        "message": str(error) if error is not None else "it was begun again and again and never ended",
        "param": data.get("param"),
        "hint": data.get("hint"),
    }


def _position(after: str) -> tuple[int, str]:
    created, _, id = after.partition("-")
    if not created.isdecimal() or not id or len(created) > 15:
        raise InvalidRequest("is no position in this list", field="after", hint="take `next` of a page")
    return int(created), id
