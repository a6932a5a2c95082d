"""Keys in the database: made, looked up, listed, revoked. A revoked key stays on record and opens nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, Float, Integer, MetaData, Row, String, Table, func, insert, select, update

from imagegen.errors import InvalidRequest
from imagegen.keys.key import SCOPES, Key, Priority, Scope, digest_of, new_id, new_secret
from imagegen.settings import Settings
from imagegen.store.records import Records

TABLES = MetaData()
_keys = Table(
    "imagegen_keys",
    TABLES,
    Column("id", String(32), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("scopes", String(200), nullable=False),
    Column("priority", String(16), nullable=False),
    Column("rate", Integer),
    Column("quota", Integer),
    Column("waiting", Integer),
    Column("created", Float, nullable=False),
    Column("expires", Float),
    Column("revoked", Float),
)


class KeyRecords:
    """The keys of one database. Safe to share between threads; `close()` it."""

    def __init__(self, settings: Settings) -> None:
        self._records = Records(settings, TABLES)

    def create(
        self,
        name: str,
        *,
        scopes: Sequence[Scope] = SCOPES,
        priority: Priority = "interactive",
        rate: int | None = None,
        quota: int | None = None,
        waiting: int | None = None,
        expires: float | None = None,
    ) -> tuple[Key, str]:
        """A new key and its secret, which is not kept and cannot be shown again. Raises InvalidRequest naming
        the field."""
        unique = tuple(dict.fromkeys(scopes))
        key = Key(new_id(), name, unique, priority, rate, quota, waiting, time.time(), expires)
        secret = new_secret()
        values = {**_values(key), "digest": digest_of(secret)}
        self._records.change(insert(_keys).values(values))
        return key, secret

    def find(self, secret: str) -> Key | None:
        """The key that this is the secret of, revoked or not. The index compares digests, not secrets, so
        the time it takes tells nothing."""
        rows = self._records.rows(select(_keys).where(_keys.c.digest == digest_of(secret)))
        return _key(rows[0]) if rows else None

    def get(self, id: str) -> Key | None:
        rows = self._records.rows(select(_keys).where(_keys.c.id == id))
        return _key(rows[0]) if rows else None

    def list(self) -> list[Key]:
        """Every key ever made, oldest first."""
        return [_key(row) for row in self._records.rows(select(_keys).order_by(_keys.c.created, _keys.c.id))]

    def revoke(self, id: str) -> Key:
        """Ends a key at once and for good; one that has ended stays as it is. Raises InvalidRequest for an
        unknown id."""
        self._records.change(
            update(_keys).where(_keys.c.id == id, _keys.c.revoked.is_(None)).values(revoked=time.time())
        )
        key = self.get(id)
        if key is None:
            raise InvalidRequest(
                f"there is no key {id!r}", field="id", hint="`imagegen keys list` shows them all"
            )
        return key

    def any(self) -> bool:
        """Whether a key was ever made: a server whose last key was revoked is not open to everybody."""
        return bool(self._records.rows(select(func.count()).select_from(_keys))[0][0])

    def close(self) -> None:
        self._records.close()


def _values(key: Key) -> dict[str, Any]:
    names = ("id", "name", "priority", "rate", "quota", "waiting", "created", "expires", "revoked")
    return {**{name: getattr(key, name) for name in names}, "scopes": " ".join(key.scopes)}


def _key(row: Row[Any]) -> Key:
    values = dict(row._mapping)
    del values["digest"]
    values["scopes"] = tuple(values["scopes"].split())
    return replace(Key(values["id"], values["name"]), **values)
