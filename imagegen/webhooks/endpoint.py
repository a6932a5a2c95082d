"""Who is told, and how a telling stands."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from enum import StrEnum

ROTATION_SECONDS = 86_400
"""How long the secret before still signs too, so that a receiver has a day to take over the new one."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL of one owner, and the secrets that sign what is sent there.

    secret       "whsec_" and 32 random bytes in base64; the receiver's copy verifies
    old_secret   the one before, which signs too until `old_until` (unix seconds)
    disabled     why nothing is sent any more; None while it works
    """

    id: str
    owner: str
    url: str
    secret: str
    old_secret: str | None = None
    old_until: float | None = None
    created: float = 0.0
    disabled: str | None = None

    def secrets_at(self, now: float) -> list[str]:
        """The secrets that sign at that moment, the newest first."""
        old = self.old_secret is not None and self.old_until is not None and now < self.old_until
        return [self.secret, *([self.old_secret] if old and self.old_secret else [])]


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one endpoint. `id` is its webhook-id: the same at every attempt, so that a receiver
    knows what it has seen. `status` is the last answer's, `error` what went wrong instead; `next_attempt`
    and `ended` are unix seconds.
    """

    id: str
    endpoint: str
    job: str
    type: str
    body: str
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    status: int | None = None
    error: str | None = None
    created: float = 0.0
    next_attempt: float | None = None
    ended: float | None = None


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def new_id() -> str:
    return f"wh_{secrets.token_hex(8)}"
