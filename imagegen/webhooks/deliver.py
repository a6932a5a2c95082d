"""Telling an endpoint that a job has ended: signed, tried again while nobody answers, given up after a day.

Each attempt is a durable workflow of its own (jobs/ending.py), so a receiver that is down holds up nobody
else, and a crash between two attempts loses nothing. The message has one id at every attempt.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from standardwebhooks import Webhook

from imagegen import __version__
from imagegen.errors import InvalidRequest
from imagegen.webhooks.endpoint import Delivery, DeliveryState, Endpoint
from imagegen.webhooks.post import TIMEOUT, Reply, post

if TYPE_CHECKING:
    from imagegen.jobs.job import Job
    from imagegen.settings import Settings
    from imagegen.webhooks.records import WebhookRecords

WAITS = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600)
"""Seconds before the second, third, ... attempt; after the last one the message is a dead letter."""
GONE = 410
MAX_TEXT = 500  # characters of an error; a message must stay below 20 kB

Again = Callable[[str, int, float], None]
"""Called as (job id, attempts so far, seconds to wait) for another attempt."""


class Deliverer:
    """Carries out one attempt after the other. `again` arranges for the next one."""

    def __init__(self, settings: Settings, records: WebhookRecords, again: Again) -> None:
        self._private = settings.private_addresses
        self.records = records
        self._again = again

    def on_end(self, job: Job) -> None:
        """An attempt for this job: the first one, or the one that `again` was asked for."""
        endpoint = None if job.webhook is None else self.records.get(job.webhook)
        if endpoint is None:
            return
        delivery = self.records.begin(_message(job, endpoint))
        if delivery.state is not DeliveryState.PENDING:
            return
        delivery = self._attempt(endpoint, delivery)
        if delivery.state is DeliveryState.PENDING and delivery.next_attempt is not None:
            self._again(job.id, delivery.attempts, max(0.0, delivery.next_attempt - time.time()))

    def retry(self, endpoint: Endpoint, delivery: Delivery) -> Delivery:
        """One more attempt, now, for a dead letter; it stays dead when that fails too. Raises InvalidRequest
        for one that is not dead."""
        if delivery.state is not DeliveryState.DEAD:
            raise InvalidRequest(f"it is {delivery.state.value}, not dead", field="delivery")
        return self._attempt(endpoint, delivery)

    def _attempt(self, endpoint: Endpoint, delivery: Delivery) -> Delivery:
        if endpoint.disabled is not None and delivery.state is DeliveryState.PENDING:
            reply = Reply(error=endpoint.disabled)
        else:
            reply = send(endpoint, delivery, private=self._private)
        now = time.time()
        attempts = delivery.attempts + 1
        if reply.status == GONE:
            self.records.disable(endpoint.id, "the receiver answered 410 Gone")
        over = (
            reply.status == GONE
            or endpoint.disabled is not None
            or delivery.state is DeliveryState.DEAD
            or attempts > len(WAITS)
        )
        state = DeliveryState.DELIVERED if reply.ok else DeliveryState.DEAD if over else DeliveryState.PENDING
        changes: dict[str, Any] = {
            "state": state,
            "attempts": attempts,
            "status": reply.status,
            "error": reply.error,
            "next_attempt": now + WAITS[attempts - 1] if state is DeliveryState.PENDING else None,
            "ended": None if state is DeliveryState.PENDING else now,
        }
        self.records.change(delivery.id, **{**changes, "state": state.value})
        return replace(delivery, **changes)


def send(endpoint: Endpoint, delivery: Delivery, *, private: bool, timeout: float = TIMEOUT) -> Reply:
    """One signed POST. While a secret rotates there are two signatures, the newer one first."""
    now = datetime.now(UTC)
    signatures = [
        Webhook(secret).sign(delivery.id, now, delivery.body)
        for secret in endpoint.secrets_at(now.timestamp())
    ]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"imagegen/{__version__}",
        "webhook-id": delivery.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
    return post(endpoint.url, delivery.body.encode(), headers, private=private, timeout=timeout)


def _message(job: Job, endpoint: Endpoint) -> Delivery:
    """What is told: how the job stands and where its picture is, never what was asked for."""
    error = None
    if job.error is not None:
        error = {name: str(job.error.get(name) or "")[:MAX_TEXT] for name in ("code", "message", "param")}
    kind = f"job.{job.state.value}"
    ended = datetime.fromtimestamp(job.ended or time.time(), UTC)
    body = {
        "type": kind,
        "timestamp": ended.isoformat(timespec="milliseconds"),
        "data": {
            "id": job.id,
            "status": job.state.value,
            "batch": job.batch,
            "label": job.label,
            "artifact": None if job.artifact is None else f"/v1/artifacts/{job.artifact}",
            "seed": job.seed,
            "seconds": job.seconds,
            "error": error,
        },
    }
    id = "msg_" + hashlib.sha256(f"{endpoint.id}.{job.id}".encode()).hexdigest()[:32]
    return Delivery(id, endpoint.id, job.id, kind, json.dumps(body), created=time.time())
