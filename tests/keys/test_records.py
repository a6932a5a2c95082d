"""Keys in a real database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagegen.errors import InvalidRequest, OutputNotWritable
from imagegen.keys.records import KeyRecords
from imagegen.settings import load_settings
from imagegen.store.database import FILE
from imagegen.store.records import recorded_before


@pytest.fixture
def records(tmp_path: Path) -> Iterator[KeyRecords]:
    records = KeyRecords(load_settings(data_dir=tmp_path))
    yield records
    records.close()


def test_a_key_is_found_by_its_secret_and_by_nothing_else(records: KeyRecords) -> None:
    key, secret = records.create("shop", scopes=["jobs", "generate", "jobs"], rate=3, quota=4, waiting=5)
    assert records.find(secret) == records.get(key.id) == key
    assert key.scopes == ("jobs", "generate")
    assert (key.rate, key.quota, key.waiting) == (3, 4, 5)
    for wrong in ("", secret[:-1], secret + " ", secret.upper(), key.id, "' OR 1=1 --", "\udcff"):
        assert records.find(wrong) is None


def test_the_secret_is_not_kept(records: KeyRecords, tmp_path: Path) -> None:
    _, secret = records.create("shop")
    records.close()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"shop" in kept
    assert secret.encode() not in kept
    assert secret.removeprefix("igk_").encode() not in kept


def test_a_revoked_key_stays_on_record_with_its_first_date(records: KeyRecords) -> None:
    key, secret = records.create("shop")
    ended = records.revoke(key.id)
    assert ended.revoked is not None
    assert records.revoke(key.id) == ended == records.find(secret)
    assert [each.id for each in records.list()] == [key.id]
    assert records.any()


def test_an_unknown_key_cannot_be_revoked(records: KeyRecords) -> None:
    assert not records.any()
    with pytest.raises(InvalidRequest) as refused:
        records.revoke("key_0")
    assert refused.value.field == "id"


def test_other_processes_see_a_key_at_once(records: KeyRecords, tmp_path: Path) -> None:
    key, secret = records.create("shop")
    other = KeyRecords(load_settings(data_dir=tmp_path))
    other.revoke(key.id)
    other.close()
    found = records.find(secret)
    assert found is not None
    assert found.revoked is not None


def test_what_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    assert not recorded_before(load_settings(data_dir=tmp_path))
    (tmp_path / FILE).write_bytes(b"not a database, but long enough to be looked at as if it were one" * 20)
    with pytest.raises(OutputNotWritable, match=FILE):
        KeyRecords(load_settings(data_dir=tmp_path))
    assert recorded_before(load_settings(data_dir=tmp_path))


def test_the_table_is_plain_sqlite(records: KeyRecords, tmp_path: Path) -> None:
    records.create("shop")
    with sqlite3.connect(tmp_path / FILE) as plain:
        assert plain.execute("SELECT name, revoked FROM imagegen_keys").fetchall() == [("shop", None)]
    plain.close()
