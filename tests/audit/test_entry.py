"""One entry and its hash."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from imagegen.audit import Entry

ENTRY = Entry(1, 1_764_000_000_000, "key_1", "images.generate", "200", {"pictures": 2}).sealed()


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": 2},
        {"time": 0},
        {"actor": "key_2"},
        {"action": "images.edit"},
        {"outcome": "500"},
        {"details": {"pictures": 3}},
        {"previous": "1" * 64},
        {"hash": "0" * 64},
    ],
)
def test_no_member_can_be_changed_unseen(changes: dict[str, Any]) -> None:
    assert ENTRY.intact
    assert not replace(ENTRY, **changes).intact


def test_the_hash_is_the_documented_one() -> None:
    """Anybody can check a log without this program: sha256 over the sorted, blank-free JSON."""
    text = (
        '{"action":"images.generate","actor":"key_1","details":{"pictures":2},"outcome":"200","previous":"'
        + "0" * 64
        + '","seq":1,"time":1764000000000}'
    )
    import hashlib

    assert ENTRY.hash == hashlib.sha256(text.encode()).hexdigest()
