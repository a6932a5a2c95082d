"""Writing and verifying the audit log. It lies in the database beside the jobs; there, triggers refuse to
change or delete an entry, and the chain shows what was changed past them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import DDL, BigInteger, Column, MetaData, Row, String, Table, Text, event, select

from imagegen.audit.entry import FIRST, Entry
from imagegen.errors import AuditBroken, OutputNotWritable
from imagegen.settings import Settings
from imagegen.store.records import Records

PAGE = 1000  # entries read at once
ATTEMPTS = 100  # processes that write at the same moment each win one round

TABLES = MetaData()
_entries = Table(
    "imagegen_audit",
    TABLES,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("time", BigInteger, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("details", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)
_REFUSAL = "the audit log is append-only"
for _change in ("UPDATE", "DELETE"):
    event.listen(
        _entries,
        "after_create",
        DDL(  # type: ignore[no-untyped-call]
            f"CREATE TRIGGER IF NOT EXISTS imagegen_audit_no_{_change.lower()} "
            f"BEFORE {_change} ON imagegen_audit BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        ).execute_if(dialect="sqlite"),
    )
event.listen(
    _entries,
    "after_create",
    DDL(  # type: ignore[no-untyped-call]
        "CREATE OR REPLACE FUNCTION imagegen_audit_refuse() RETURNS trigger AS $$ "
        f"BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$ LANGUAGE plpgsql; "
        "CREATE TRIGGER imagegen_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON imagegen_audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION imagegen_audit_refuse()"
    ).execute_if(dialect="postgresql"),
)


@dataclass(frozen=True, slots=True)
class Verified:
    """How many entries there are, and the hash of the last: note it elsewhere, and a log that was cut off
    shows."""

    entries: int
    head: str


class AuditLog:
    """The log of one database. Safe to share between threads and between processes; `close()` it."""

    def __init__(self, settings: Settings) -> None:
        self._records = Records(settings, TABLES)
        self._turn = threading.Lock()
        self._tail: tuple[int, str] | None = None  # as this process wrote it last; another may have gone on

    def append(
        self, actor: str, action: str, outcome: str, details: Mapping[str, Any] | None = None
    ) -> Entry:
        """Writes one entry, and returns once it is on disk. Raises OutputNotWritable or SettingsInvalid."""
        with self._turn:
            for _ in range(ATTEMPTS):
                seq, previous = self._tail or self._last()
                now = time.time_ns() // 1_000_000
                entry = Entry(seq + 1, now, actor, action, outcome, dict(details or {}), previous).sealed()
                if self._records.insert_once(_entries, **_values(entry)):
                    self._tail = (entry.seq, entry.hash)
                    return entry
                self._tail = None
        raise OutputNotWritable("too many processes write to the audit log at once", field="audit")

    def read(self, *, after: int = 0, limit: int = PAGE) -> list[Entry]:
        """Up to `limit` entries after a sequence number, oldest first."""
        query = select(_entries).where(_entries.c.seq > after).order_by(_entries.c.seq).limit(limit)
        return [_entry(row) for row in self._records.rows(query)]

    def latest(self, limit: int) -> list[Entry]:
        """The last `limit` entries, oldest first."""
        query = select(_entries).order_by(_entries.c.seq.desc()).limit(limit)
        return [_entry(row) for row in reversed(self._records.rows(query))]

    def verify(self, head: str | None = None) -> Verified:
        """Follows the whole chain; `head` is a hash that must be in it. Raises AuditBroken naming the
        entry."""
        expected, previous, found = 1, FIRST, head is None
        for entry in self._all():
            if entry.seq != expected:
                raise AuditBroken(f"entry {expected} is missing", field="audit")
            if entry.previous != previous:
                raise AuditBroken(f"entry {entry.seq} does not follow the one before it", field="audit")
            if not entry.intact:
                raise AuditBroken(f"entry {entry.seq} was changed", field="audit")
            expected, previous = expected + 1, entry.hash
            found = found or entry.hash == head
        if not found:
            raise AuditBroken(f"no entry has the hash {head}: the log was cut off", field="audit")
        return Verified(expected - 1, previous)

    def close(self) -> None:
        self._records.close()

    def _all(self) -> Iterator[Entry]:
        last = 0
        while page := self.read(after=last):
            yield from page
            last = page[-1].seq

    def _last(self) -> tuple[int, str]:
        query = select(_entries.c.seq, _entries.c.hash).order_by(_entries.c.seq.desc()).limit(1)
        rows = self._records.rows(query)
        return (rows[0].seq, rows[0].hash) if rows else (0, FIRST)


def _values(entry: Entry) -> dict[str, Any]:
    names = ("seq", "time", "actor", "action", "outcome", "previous", "hash")
    return {**{name: getattr(entry, name) for name in names}, "details": json.dumps(entry.details)}


def _entry(row: Row[Any]) -> Entry:
    values = dict(row._mapping)
    try:
        details = json.loads(values.pop("details"))
    except ValueError:
        details = {"unreadable": True}  # somebody changed it; the hash says so
    return Entry(**values, details=details)
