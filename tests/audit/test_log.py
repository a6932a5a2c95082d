"""The log in a real database: what is written stays, and what was changed past it shows."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagegen.audit.log import AuditLog
from imagegen.errors import AuditBroken
from imagegen.settings import load_settings
from imagegen.store.database import FILE


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    log = AuditLog(load_settings(data_dir=tmp_path))
    yield log
    log.close()


def written(log: AuditLog, number: int = 5) -> list[str]:
    return [log.append("key_1", "images.generate", "200", {"pictures": i}).hash for i in range(number)]


def test_entries_follow_each_other(log: AuditLog) -> None:
    assert log.verify().entries == 0
    hashes = written(log)
    entries = log.read()
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.previous for entry in entries] == ["0" * 64, *hashes[:-1]]
    assert log.verify().head == hashes[-1]
    assert log.read(after=3)[0].details == {"pictures": 3}
    assert [entry.seq for entry in log.latest(2)] == [4, 5]


def test_writers_that_take_turns_see_each_others_entries(log: AuditLog, tmp_path: Path) -> None:
    """Each remembers what it wrote last, which is not the last entry any more."""
    other = AuditLog(load_settings(data_dir=tmp_path))
    for each in (log, other, log, log, other):
        written(each, 1)
    other.close()
    assert [entry.seq for entry in log.read()] == [1, 2, 3, 4, 5]
    assert log.verify().entries == 5


def test_several_writers_make_one_chain(log: AuditLog, tmp_path: Path) -> None:
    others = [AuditLog(load_settings(data_dir=tmp_path)) for _ in range(3)]
    threads = [threading.Thread(target=written, args=[each, 10]) for each in (log, *others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.close()
    assert log.verify().entries == 40


@pytest.mark.parametrize(
    "change", ["UPDATE imagegen_audit SET outcome = '500'", "DELETE FROM imagegen_audit"]
)
def test_the_database_refuses_to_change_or_delete(log: AuditLog, tmp_path: Path, change: str) -> None:
    written(log)
    plain = sqlite3.connect(tmp_path / FILE)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        plain.execute(change)
    plain.close()
    assert log.verify().entries == 5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE imagegen_audit SET actor = 'key_2' WHERE seq = 3", "entry 3 was changed"),
        ("UPDATE imagegen_audit SET details = '{' WHERE seq = 3", "entry 3 was changed"),
        ("DELETE FROM imagegen_audit WHERE seq = 3", "entry 3 is missing"),
        ("DELETE FROM imagegen_audit WHERE seq = 1", "entry 1 is missing"),
        ("UPDATE imagegen_audit SET previous = hash WHERE seq = 2", "entry 2 does not follow"),
        ("DELETE FROM imagegen_audit WHERE seq = 5", "cut off"),
        ("DELETE FROM imagegen_audit", "cut off"),
    ],
)
def test_what_was_changed_past_the_triggers_shows(
    log: AuditLog, tmp_path: Path, change: str, says: str
) -> None:
    head = written(log)[-1]
    plain = sqlite3.connect(tmp_path / FILE)
    for trigger in ("update", "delete"):
        plain.execute(f"DROP TRIGGER imagegen_audit_no_{trigger}")
    plain.execute(change)
    plain.commit()
    plain.close()
    with pytest.raises(AuditBroken, match=says):
        log.verify(head)
