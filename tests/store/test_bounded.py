"""So many bytes and no more, and what was asked for last stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imagegen.store.bounded import Bounded


def test_what_was_not_asked_for_the_longest_goes_first() -> None:
    kept: Bounded[str] = Bounded(10)
    kept.put(b"a", "one", 4)
    kept.put(b"b", "two", 4)
    assert kept.get(b"a") == "one"
    kept.put(b"c", "three", 4)
    assert [kept.get(key) for key in (b"a", b"b", b"c")] == ["one", None, "three"]
    kept.drop(b"a")
    kept.drop(b"nothing")
    assert len(kept) == 1


def test_what_is_too_large_is_not_kept_nor_what_it_replaces() -> None:
    kept: Bounded[str] = Bounded(10)
    kept.put(b"a", "one", 4)
    kept.put(b"a", "another", 11)
    assert kept.get(b"a") is None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12))), st.integers(0, 20))
def test_no_order_of_things_exceeds_the_size(puts: list[tuple[int, int]], size: int) -> None:
    kept: Bounded[int] = Bounded(size)
    for key, nbytes in puts:
        kept.put(bytes([key]), nbytes, nbytes)
        assert sum(kept.get(bytes([each])) or 0 for each in range(6)) <= size
