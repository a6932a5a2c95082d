"""What a key is: a name for a caller, and what the caller may do.

The secret has 256 random bits, so its plain SHA-256 is kept: nobody can guess through it, and checking one
costs microseconds (docs/decisions/014). It is shown once, when it is made.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Literal, get_args

from imagegen.errors import Forbidden, InvalidRequest

Scope = Literal["generate", "finish", "jobs", "admin"]
"""generate: pictures from words. finish: photos in, pictures or findings out. jobs: durable jobs, catalogues
and their webhooks. admin: metrics, and what belongs to other keys."""
SCOPES: tuple[Scope, ...] = get_args(Scope)
Priority = Literal["interactive", "batch"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)

SECRET_PREFIX = "igk_"
"""Lets a secret scanner and a person know what it is looking at."""
MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class Key:
    """Everything about a key but its secret.

    id          "key_" and 12 hex digits; logs and records name the caller by it. "" is the machine's owner
    scopes      what it may ask for
    priority    whose turn it is where several wait: interactive goes before batch
    rate        requests a minute; None is without limit
    quota       pictures a day (UTC); None is without limit
    waiting     jobs that may wait at once; None leaves it to the server
    created, expires, revoked
                unix seconds; None is never
    """

    id: str
    name: str
    scopes: tuple[Scope, ...] = SCOPES
    priority: Priority = "interactive"
    rate: int | None = None
    quota: int | None = None
    waiting: int | None = None
    created: float = 0.0
    expires: float | None = None
    revoked: float | None = None

    def __post_init__(self) -> None:
        if len(self.name) > MAX_NAME or (self.name and not self.name.isprintable()) or not self.name.strip():
            raise InvalidRequest(f"must be 1 to {MAX_NAME} printable characters", field="name")
        if not self.scopes:
            raise InvalidRequest("a key without scopes opens nothing", field="scope", hint=", ".join(SCOPES))
        for scope in self.scopes:
            if scope not in SCOPES:
                raise InvalidRequest(f"{scope!r} is no scope", field="scope", hint=f"use {', '.join(SCOPES)}")
        if self.priority not in PRIORITIES:
            raise InvalidRequest(
                f"{self.priority!r} is no priority", field="priority", hint=f"use {' or '.join(PRIORITIES)}"
            )
        for field in ("rate", "quota", "waiting"):
            limit = getattr(self, field)
            if limit is not None and limit < 1:
                raise InvalidRequest(
                    f"must be 1 or more, not {limit}", field=field, hint="leave it out for no limit"
                )

    def works_at(self, now: float) -> bool:
        """Whether it opens anything at that moment."""
        return self.revoked is None and (self.expires is None or now < self.expires)

    def require(self, scope: Scope) -> None:
        """Raises Forbidden unless the key has that scope; admin has them all."""
        if scope not in self.scopes and "admin" not in self.scopes:
            raise Forbidden(
                f"this key may not do this: it lacks the scope {scope!r}",
                hint=f"it has {', '.join(self.scopes)}; `imagegen keys create --scope {scope}` makes another",
            )


LOCAL = Key("", "local")
"""The owner of the machine, who asks without a key. Keys in the setting `api_keys` count as his too."""


def new_secret() -> str:
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def new_id() -> str:
    return f"key_{secrets.token_hex(6)}"


def digest_of(secret: str) -> str:
    """SHA-256 in hex, of any text that a header can carry."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
