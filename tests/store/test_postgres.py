"""Everything that keeps records beside the jobs, on a real PostgreSQL: the statements are the same as on
SQLite, the locks, triggers and errors are not."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from imagegen.audit.log import AuditLog
from imagegen.errors import AuditBroken, IdempotencyConflict, QuotaExceeded
from imagegen.http.idempotency import IdempotencyKeys
from imagegen.keys import Key
from imagegen.keys.allowance import Allowance
from imagegen.keys.records import KeyRecords
from imagegen.settings import Settings, load_settings
from imagegen.store.database import open_database
from imagegen.webhooks import DeliveryState
from imagegen.webhooks.endpoint import Delivery
from imagegen.webhooks.records import WebhookRecords
from tests.postgres import Postgres


@pytest.fixture
def settings(postgres: Postgres, tmp_path: Path) -> Settings:
    """An empty database."""
    return load_settings(data_dir=tmp_path, database_url=postgres.url(f"t{secrets.token_hex(8)}"))


def at_once(work: Callable[[], object], count: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_keys_are_hashed_found_and_revoked_in_every_process(settings: Settings) -> None:
    records, other = KeyRecords(settings), KeyRecords(settings)
    key, secret = records.create("shop", scopes=["jobs"], rate=3, quota=4)
    assert other.find(secret) == other.get(key.id) == key
    assert other.find(secret[:-1]) is None
    engine = open_database(settings)
    with engine.connect() as connection:
        kept = str(connection.execute(text("SELECT * FROM imagegen_keys")).all())
    engine.dispose()
    assert "shop" in kept
    assert secret.removeprefix("igk_") not in kept
    assert records.revoke(key.id) == other.find(secret)
    assert not other.list()[0].works_at(2e9)
    records.close()
    other.close()


def test_a_quota_is_never_overdrawn_by_those_who_come_at_once(settings: Settings) -> None:
    allowance, key = Allowance(settings, lambda: 86_400.0), Key("key_1", "shop", quota=7)
    taken: list[bool] = []

    def take() -> None:
        try:
            allowance.take_pictures(key, 2)
            taken.append(True)
        except QuotaExceeded:
            taken.append(False)

    at_once(take, 8)
    assert sorted(taken) == [False] * 5 + [True] * 3
    allowance.close()


def test_the_audit_log_is_one_chain_that_nobody_may_change(settings: Settings) -> None:
    log, other = AuditLog(settings), AuditLog(settings)
    at_once(lambda: [each.append("key_1", "images", "200", {"n": 1}) for each in (log, other)], 4)
    assert log.verify().entries == 8
    engine = open_database(settings)
    for change in (
        "UPDATE imagegen_audit SET outcome = '500'",
        "DELETE FROM imagegen_audit",
        "TRUNCATE imagegen_audit",
    ):
        with pytest.raises(SQLAlchemyError, match="append-only"), engine.begin() as connection:
            connection.execute(text(change))
    assert log.verify().entries == 8
    with engine.begin() as connection:  # past the triggers, as the database's owner may
        connection.execute(text("ALTER TABLE imagegen_audit DISABLE TRIGGER ALL"))
        connection.execute(text("UPDATE imagegen_audit SET outcome = '500' WHERE seq = 5"))
    with pytest.raises(AuditBroken, match="entry 5 was changed"):
        log.verify()
    engine.dispose()
    log.close()
    other.close()


def test_a_delivery_is_on_record_once_whoever_begins_it(settings: Settings) -> None:
    records = WebhookRecords(settings)
    endpoint = records.add("key_1", "https://shop.example/hook")
    assert records.endpoints("key_1") == [endpoint]
    assert records.endpoints("key_2") == []
    delivery = Delivery("msg_1", endpoint.id, "job-1", "job.completed", "{}", created=1.0)
    at_once(lambda: records.begin(delivery), 6)
    records.change("msg_1", state=DeliveryState.DELIVERED.value, attempts=1)
    (found,) = records.deliveries(endpoint.id)
    assert (found.state, found.attempts) == (DeliveryState.DELIVERED, 1)
    assert records.begin(delivery).state is DeliveryState.DELIVERED
    rotated = records.rotate(endpoint.id)
    assert rotated.old_secret == endpoint.secret != rotated.secret
    records.forget("job-1")
    assert records.deliveries(endpoint.id) == []
    records.remove(endpoint.id)
    assert records.endpoints() == []
    records.close()


def test_one_request_wins_an_idempotency_key(settings: Settings) -> None:
    keys = IdempotencyKeys(settings)
    claim = keys.claim("key_1", "order-7", {"prompt": "bag"})
    keys.done(claim)
    assert keys.claim("key_1", "order-7", {"prompt": "bag"}).job == claim.job
    assert keys.claim("key_2", "order-7", {"prompt": "bag"}).job != claim.job
    with pytest.raises(IdempotencyConflict):
        keys.claim("key_1", "order-7", {"prompt": "hat"})
    keys.close()
