"""How much a key may do, counted in a real database with a clock of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagegen.errors import QuotaExceeded
from imagegen.keys import LOCAL, Key
from imagegen.keys.allowance import DAY, Allowance
from imagegen.settings import load_settings


class Clock:
    seconds = 20 * DAY + 30.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def allowance(tmp_path: Path, clock: Clock) -> Iterator[Allowance]:
    allowance = Allowance(load_settings(data_dir=tmp_path), clock)
    yield allowance
    allowance.close()


def test_requests_are_counted_by_the_minute_and_by_the_key(allowance: Allowance, clock: Clock) -> None:
    key, other = Key("key_1", "shop", rate=2), Key("key_2", "shop", rate=2)
    assert [allowance.count_request(key)[0].left for _ in range(2)] == [1, 0]
    with pytest.raises(QuotaExceeded) as refused:
        allowance.count_request(key)
    assert refused.value.retry_after == 30
    assert refused.value.limits[0].left == 0
    assert allowance.count_request(other)[0].left == 1
    clock.seconds += 30
    assert allowance.count_request(key)[0].left == 1


def test_pictures_are_counted_by_the_day_all_or_none(allowance: Allowance, clock: Clock) -> None:
    key = Key("key_1", "shop", quota=5)
    first = allowance.take_pictures(key, 3)
    assert first is not None
    assert (first.left, first.reset) == (2, DAY - 30)
    with pytest.raises(QuotaExceeded) as refused:
        allowance.take_pictures(key, 3)
    assert refused.value.limits[0].left == 2
    allowance.give_back(key, 3)
    again = allowance.take_pictures(key, 5)
    assert again is not None
    assert again.left == 0
    clock.seconds += DAY
    tomorrow = allowance.take_pictures(key, 1)
    assert tomorrow is not None
    assert tomorrow.left == 4


def test_more_than_a_day_holds_is_refused_at_once(allowance: Allowance) -> None:
    with pytest.raises(QuotaExceeded):
        allowance.take_pictures(Key("key_1", "shop", quota=2), 3)


def test_a_restart_forgets_no_picture(allowance: Allowance, tmp_path: Path, clock: Clock) -> None:
    key = Key("key_1", "shop", quota=5)
    allowance.take_pictures(key, 4)
    other = Allowance(load_settings(data_dir=tmp_path), clock)
    left = other.take_pictures(key, 1)
    other.close()
    assert left is not None
    assert left.left == 0


def test_the_owner_of_the_machine_has_no_limits(allowance: Allowance) -> None:
    assert allowance.count_request(LOCAL) == []
    assert allowance.take_pictures(LOCAL, 10**6) is None
    allowance.give_back(LOCAL, 10**6)
