"""From a job's end to a receiver that verifies the signature with its own copy of the library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from imagegen.errors import InvalidRequest, WebhookNotFound
from imagegen.jobs.job import Job, JobState
from imagegen.request import ImageRequest
from imagegen.settings import Settings, load_settings
from imagegen.webhooks import DeliveryState
from imagegen.webhooks.deliver import WAITS, Deliverer
from imagegen.webhooks.records import WebhookRecords
from tests.webhooks.receiver import Receiver, receiving

PROMPT = "a secret handbag"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path, private_addresses=True)


@pytest.fixture
def records(settings: Settings) -> Iterator[WebhookRecords]:
    records = WebhookRecords(settings)
    yield records
    records.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


class Later:
    """Keeps what is to be tried again instead of waiting for it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, float]] = []

    def __call__(self, job: str, attempts: int, seconds: float) -> None:
        self.asked.append((job, attempts, seconds))


@pytest.fixture
def later() -> Later:
    return Later()


@pytest.fixture
def deliverer(settings: Settings, records: WebhookRecords, later: Later) -> Deliverer:
    return Deliverer(settings, records, later)


def ended(webhook: str | None, **fields: Any) -> Job:
    values = {"artifact": "0" * 32 + ".png", "seed": 7, "seconds": 0.5, "label": "SKU-1", "ended": 1.76e9}
    return Job("job-1", JobState.COMPLETED, ImageRequest(PROMPT), webhook=webhook, **{**values, **fields})


def test_a_message_is_signed_and_says_no_prompt(
    deliverer: Deliverer, records: WebhookRecords, receiver: Receiver, later: Later
) -> None:
    endpoint = records.add("key_1", receiver.url)
    deliverer.on_end(ended(endpoint.id))
    ((headers, body),) = receiver.heard
    told = Webhook(endpoint.secret).verify(body, headers)
    assert told["type"] == "job.completed"
    assert told["data"]["label"] == "SKU-1"
    assert told["data"]["artifact"] == f"/v1/artifacts/{'0' * 32}.png"
    assert PROMPT not in body
    with pytest.raises(WebhookVerificationError):
        Webhook(records.add("key_1", receiver.url).secret).verify(body, headers)
    (delivery,) = records.deliveries(endpoint.id)
    assert (delivery.state, delivery.attempts, delivery.status) == (DeliveryState.DELIVERED, 1, 204)
    assert later.asked == []


def test_told_twice_is_heard_once(deliverer: Deliverer, records: WebhookRecords, receiver: Receiver) -> None:
    endpoint = records.add("key_1", receiver.url)
    for _ in range(2):
        deliverer.on_end(ended(endpoint.id))
    assert len(receiver.heard) == 1


def test_attempts_go_on_with_one_id_until_somebody_listens(
    deliverer: Deliverer, records: WebhookRecords, receiver: Receiver, later: Later
) -> None:
    endpoint = records.add("key_1", receiver.url)
    receiver.answers = [500, 503, 200]
    for _ in range(3):
        deliverer.on_end(ended(endpoint.id))
    assert [asked[:2] for asked in later.asked] == [("job-1", 1), ("job-1", 2)]
    assert [round(asked[2]) for asked in later.asked] == list(WAITS[:2])
    assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == 1
    assert records.deliveries(endpoint.id)[0].state is DeliveryState.DELIVERED


def test_a_message_nobody_takes_becomes_a_dead_letter_that_can_be_sent_again(
    deliverer: Deliverer, records: WebhookRecords, receiver: Receiver, later: Later
) -> None:
    endpoint = records.add("key_1", receiver.url)
    receiver.answers = [500]
    for _ in range(len(WAITS) + 3):
        deliverer.on_end(ended(endpoint.id))
    assert len(receiver.heard) == len(WAITS) + 1
    assert len(later.asked) == len(WAITS)
    (dead,) = records.deliveries(endpoint.id, DeliveryState.DEAD)
    assert (dead.attempts, dead.status) == (len(WAITS) + 1, 500)
    assert deliverer.retry(endpoint, dead).state is DeliveryState.DEAD
    receiver.answers = [200]
    assert deliverer.retry(endpoint, dead).state is DeliveryState.DELIVERED
    with pytest.raises(InvalidRequest, match="delivered"):
        deliverer.retry(endpoint, records.deliveries(endpoint.id)[0])


def test_gone_ends_the_endpoint(
    deliverer: Deliverer, records: WebhookRecords, receiver: Receiver, later: Later
) -> None:
    endpoint = records.add("key_1", receiver.url)
    receiver.answers = [410]
    deliverer.on_end(ended(endpoint.id))
    assert "410" in str(records.known(endpoint.id).disabled)
    deliverer.on_end(Job("job-2", JobState.FAILED, ImageRequest(PROMPT), webhook=endpoint.id))
    assert len(receiver.heard) == 1
    assert len(records.deliveries(endpoint.id, DeliveryState.DEAD)) == 2
    assert later.asked == []


def test_while_a_secret_rotates_both_verify(
    deliverer: Deliverer, records: WebhookRecords, receiver: Receiver
) -> None:
    old = records.add("key_1", receiver.url)
    new = records.rotate(old.id)
    deliverer.on_end(ended(old.id))
    ((headers, body),) = receiver.heard
    assert len(headers["webhook-signature"].split()) == 2
    for secret in (old.secret, new.secret):
        Webhook(secret).verify(body, headers)
    assert new.secrets_at((new.old_until or 0) + 1) == [new.secret]


def test_errors_are_told_and_kept_short(
    deliverer: Deliverer, records: WebhookRecords, receiver: Receiver
) -> None:
    endpoint = records.add("key_1", receiver.url)
    error: dict[str, str | None] = {"code": "generation_failed", "message": "x" * 100_000, "param": None}
    deliverer.on_end(ended(endpoint.id, error=error))
    assert len(receiver.heard[0][1]) < 20_000
    assert json.loads(receiver.heard[0][1])["data"]["error"]["code"] == "generation_failed"


def test_the_address_is_checked_when_it_is_used_and_not_only_when_it_was_given(
    records: WebhookRecords, receiver: Receiver, settings: Settings, later: Later
) -> None:
    endpoint = records.add("key_1", receiver.url)
    strict = Deliverer(load_settings(data_dir=settings.data_dir), records, later)
    strict.on_end(ended(endpoint.id))
    assert receiver.heard == []
    assert records.deliveries(endpoint.id)[0].error is not None


def test_endpoints_belong_to_their_owners(records: WebhookRecords, receiver: Receiver) -> None:
    mine = records.add("key_1", receiver.url)
    assert records.get(mine.id, "key_2") is None
    assert [each.id for each in records.endpoints("key_1")] == [mine.id]
    assert records.endpoints("key_2") == []
    with pytest.raises(WebhookNotFound):
        records.rotate(mine.id, "key_2")
    records.remove(mine.id, "key_1")
    assert records.endpoints() == []


def test_a_job_without_an_endpoint_tells_nobody(deliverer: Deliverer, later: Later) -> None:
    deliverer.on_end(ended(None))
    deliverer.on_end(ended("wh_removed"))
    assert later.asked == []


def test_what_was_told_of_a_job_can_be_forgotten(
    deliverer: Deliverer, records: WebhookRecords, receiver: Receiver
) -> None:
    endpoint = records.add("key_1", receiver.url)
    deliverer.on_end(ended(endpoint.id))
    records.forget("job-1")
    assert records.deliveries(endpoint.id) == []
