"""The queue: bounded, owners in turn, like with like."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen.engine.plan import plan
from imagegen.engine.queue import Ticket, TicketQueue
from imagegen.errors import Cancelled, Overloaded
from imagegen.request import ImageRequest, Priority
from imagegen.weights.catalog import find_model


def _ticket(steps: int = 4, **options: Any) -> Ticket:
    return Ticket(plan(ImageRequest("cap", seed=1, steps=steps), find_model("starter", None)), **options)


def _order(queue: TicketQueue) -> list[str]:
    """Owners in the order they are served, one by one."""
    return [ticket.owner for _ in range(len(queue)) for ticket in queue.take(1) or []]


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    queue = TicketQueue(2)
    queue.put(_ticket())
    queue.put(_ticket())
    with pytest.raises(Overloaded) as refused:
        queue.put(_ticket())
    assert refused.value.retry_after >= 1
    assert len(queue) == 2


def test_slow_pictures_make_the_advice_longer() -> None:
    queue = TicketQueue(1)
    queue.put(_ticket())
    for _ in range(50):
        queue.measured(60.0)
    with pytest.raises(Overloaded) as refused:
        queue.put(_ticket())
    assert refused.value.retry_after == pytest.approx(60, rel=0.01)


def test_cancelled_tickets_give_their_place_away() -> None:
    queue = TicketQueue(1)
    first, second = _ticket(), _ticket()
    queue.put(first)
    first.future.cancel()
    queue.put(second)
    assert queue.take(4) == [second]


def test_a_batch_holds_only_like_requests_in_order() -> None:
    queue = TicketQueue(8)
    a, b, c, d = _ticket(4), _ticket(8), _ticket(4), _ticket(4)
    for ticket in (a, b, c, d):
        queue.put(ticket)
    assert queue.take(2) == [a, c]
    assert queue.take(2) == [b]
    assert queue.take(2) == [d]


def test_taken_tickets_can_no_longer_be_cancelled() -> None:
    queue = TicketQueue(1)
    ticket = _ticket()
    queue.put(ticket)
    queue.take(1)
    assert not ticket.future.cancel()


def test_closing_wakes_the_one_who_waits_and_returns_what_is_left() -> None:
    queue = TicketQueue(4)
    taken: list[list[Ticket] | None] = []
    waiter = threading.Thread(target=lambda: taken.append(queue.take(1)))
    waiter.start()
    assert queue.close() == []
    waiter.join(timeout=10)
    assert taken == [[]]


def test_a_closed_queue_hands_back_the_waiting() -> None:
    queue = TicketQueue(4)
    ticket = _ticket()
    queue.put(ticket)
    assert queue.close() == [ticket]
    with pytest.raises(Cancelled):
        queue.put(ticket)


@pytest.mark.parametrize(
    ("steps", "previews", "at"),
    [
        (4, 0, ()),
        (4, 1, (3,)),
        (4, 2, (1, 3)),
        (4, 3, (1, 2, 3)),
        (2, 3, (1,)),
        (1, 3, ()),
        (30, 3, (9, 19, 29)),
    ],
)
def test_previews_are_spread_over_the_steps_before_the_last(
    steps: int, previews: int, at: tuple[int, ...]
) -> None:
    ticket = _ticket(steps)
    ticket.previews = previews
    assert ticket.preview_steps == ()
    ticket.on_preview = lambda index, pixels: None
    assert ticket.preview_steps == at


def test_owners_take_turns_whoever_came_first() -> None:
    queue = TicketQueue(16)
    for owner in "aaaaabb":
        queue.put(_ticket(owner=owner))
    assert [ticket.owner for ticket in queue.take(2) or []] == ["a", "b"]
    queue.put(_ticket(owner="c"))
    assert _order(queue) == ["a", "b", "c", "a", "a", "a"]


def test_who_was_away_gets_a_turn_and_no_arrears() -> None:
    queue = TicketQueue(16)
    for owner in "aaaaaa":
        queue.put(_ticket(owner=owner))
    for _ in range(3):
        queue.take(1)
    for owner in "bbb":
        queue.put(_ticket(owner=owner))
    assert _order(queue) == ["a", "b", "a", "b", "a", "b"]


def test_interactive_goes_before_batch_and_does_not_share_one_with_it() -> None:
    queue = TicketQueue(16)
    batch = [_ticket(priority=Priority.BATCH) for _ in range(2)]
    for ticket in batch:
        queue.put(ticket)
    now = _ticket()
    queue.put(now)
    assert queue.take(4) == [now]
    assert queue.take(4) == batch


def test_in_a_full_queue_who_has_most_gives_way() -> None:
    queue = TicketQueue(4)
    greedy = [_ticket(owner="greedy") for _ in range(4)]
    for ticket in greedy:
        queue.put(ticket)
    modest = [_ticket(owner="modest") for _ in range(2)]
    for ticket in modest:
        queue.put(ticket)
    assert [isinstance(t.future.exception(), Overloaded) for t in reversed(greedy) if t.future.done()] == [
        True,
        True,
    ]
    with pytest.raises(Overloaded):
        queue.put(_ticket(owner="modest"))
    with pytest.raises(Overloaded):
        queue.put(_ticket(owner="greedy"))
    assert Counter(_order(queue)) == {"greedy": 2, "modest": 2}


def test_what_was_admitted_elsewhere_is_never_refused_and_takes_no_place() -> None:
    queue = TicketQueue(1)
    for _ in range(3):
        queue.put(_ticket(bounded=False))
    queue.put(_ticket())
    assert len(queue) == 4


def test_an_idle_queue_says_so() -> None:
    assert TicketQueue(1).take(1, idle=0.001) is None


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=60))
def test_nobody_is_served_more_than_one_turn_ahead_of_another_who_waits(owners: list[str]) -> None:
    queue = TicketQueue(100)
    for owner in owners:
        queue.put(_ticket(owner=owner))
    left, served = Counter(owners), Counter[str]()
    for owner in _order(queue):
        waiting = [other for other in left if left[other] > 0]
        assert served[owner] <= min(served[other] for other in waiting)
        served[owner] += 1
        left[owner] -= 1
    assert not +left


def test_who_gives_way_loses_no_turn() -> None:
    """48 clients of one key and 16 of another: the many's pictures that gave way had pushed their next ones
    back, and the few got 1.24 times as many."""
    queue, served = TicketQueue(4), Counter[str]()
    few: list[Ticket] = []
    for _ in range(200):
        with contextlib.suppress(Overloaded):
            while True:
                queue.put(_ticket(owner="many"))
        few = [ticket for ticket in few if not ticket.future.running()]
        while len(few) < 2:
            few.append(_ticket(owner="few"))
            queue.put(few[-1])
        (taken,) = queue.take(1) or []
        served[taken.owner] += 1
    assert abs(served["many"] - served["few"]) <= 2
