"""The queue: bounded, first come first served, like with like."""

from __future__ import annotations

import threading

import pytest

from imagegen.engine.plan import plan
from imagegen.engine.queue import Ticket, TicketQueue
from imagegen.errors import Cancelled, Overloaded
from imagegen.request import ImageRequest
from imagegen.weights.catalog import find_model


def _ticket(steps: int = 4) -> Ticket:
    return Ticket(plan(ImageRequest("cap", seed=1, steps=steps), find_model("starter", None)))


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
    taken: list[list[Ticket]] = []
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
