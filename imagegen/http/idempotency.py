"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the same request twice is one job.

The key is put on record with the id that the job will have, before the job is handed in. So two requests at
once make one job, and a server that dies in between leaves a key that the next request completes.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, Column, Float, MetaData, String, Table, delete, select, update

from imagegen.errors import IdempotencyConflict, InvalidRequest, JobInFlight
from imagegen.settings import Settings
from imagegen.store.records import Records

MAX_KEY = 255
KEPT_SECONDS = 2 * 86_400
IN_FLIGHT_SECONDS = 30
"""A key without a job is taken for one that is being handed in for so long, and for a crash's afterwards."""

TABLES = MetaData()
_keys = Table(
    "imagegen_idempotency",
    TABLES,
    Column("owner", String(32), primary_key=True),
    Column("key", String(64), primary_key=True),  # its SHA-256: a caller may put anything into it
    Column("payload", String(64), nullable=False),
    Column("job", String(64), nullable=False),
    Column("done", Boolean, nullable=False),
    Column("created", Float, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Claim:
    """The job that a key stands for. `done` when it was handed in before: then nothing is to be done."""

    owner: str
    key: str
    job: str
    done: bool


class IdempotencyKeys:
    """Safe to share between threads and processes; `close()` it."""

    def __init__(self, settings: Settings) -> None:
        self._records = Records(settings, TABLES)

    def claim(self, owner: str, header: str, payload: Any) -> Claim:
        """Takes a key for this payload (JSON values). Raises InvalidRequest for what is no key,
        IdempotencyConflict for another payload, JobInFlight while the first request is being handed in."""
        key, fingerprint = _digest(_parsed(header)), _digest(json.dumps(payload, sort_keys=True))
        now = time.time()
        self._records.change(delete(_keys).where(_keys.c.created < now - KEPT_SECONDS))
        mine = Claim(owner, key, new_job_id(), done=False)
        row = {"payload": fingerprint, "job": mine.job, "done": False, "created": now}
        if self._records.insert_once(_keys, owner=owner, key=key, **row):
            return mine
        (found,) = self._records.rows(select(_keys).where(_keys.c.owner == owner, _keys.c.key == key))
        if found.payload != fingerprint:
            raise IdempotencyConflict(
                "this key stands for another request", field="Idempotency-Key", hint="take a new key"
            )
        if not found.done and now - found.created < IN_FLIGHT_SECONDS:
            raise JobInFlight("the first request with this key is being handed in", field="Idempotency-Key")
        return Claim(owner, key, found.job, found.done)

    def done(self, claim: Claim) -> None:
        """The job is on record."""
        self._records.change(update(_keys).where(*_is(claim)).values(done=True))

    def release(self, claim: Claim) -> None:
        """The request was refused, so the key is free again."""
        self._records.change(delete(_keys).where(*_is(claim)))

    def close(self) -> None:
        self._records.close()


def new_job_id() -> str:
    """Sorts as jobs were handed in; the rest cannot be guessed."""
    return f"job-{time.time_ns():016x}{secrets.token_hex(12)}"


def _is(claim: Claim) -> tuple[Any, Any]:
    return (_keys.c.owner == claim.owner, _keys.c.key == claim.key)


def _parsed(header: str) -> str:
    """A structured string ("..."), as the draft wants it, or the bare text that most clients send."""
    text = header.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if not 1 <= len(text) <= MAX_KEY or not text.isascii() or not text.isprintable():
        raise InvalidRequest(f"must be 1 to {MAX_KEY} printable ASCII characters", field="Idempotency-Key")
    return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
