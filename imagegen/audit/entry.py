"""One entry of the audit log, chained to the one before by its hash.

hash = SHA-256 of the RFC 8785-like JSON (keys sorted, no blanks, ASCII) of every other member, `previous`
among them. Whoever changes, inserts or takes out an entry breaks the chain from there on; cutting off the end
shows only against a hash that was noted elsewhere (`imagegen audit verify --head`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

FIRST = "0" * 64
"""What the first entry has for a previous hash."""


@dataclass(frozen=True, slots=True)
class Entry:
    """seq counts from 1 without a gap; time is in milliseconds since 1970; actor is a key's id, "local" or
    "nobody"; action is a verb and its object, like "images.generate"; outcome is an HTTP status or "done".
    """

    seq: int
    time: int
    actor: str
    action: str
    outcome: str
    details: Mapping[str, Any] = field(default_factory=dict)
    previous: str = FIRST
    hash: str = ""

    def sealed(self) -> Entry:
        """The same entry with its hash."""
        values = {**asdict(self), "details": dict(self.details)}
        del values["hash"]
        return Entry(**values, hash=_hash(values))

    @property
    def intact(self) -> bool:
        """Whether the hash is that of the other members."""
        return self.sealed().hash == self.hash


def _hash(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
