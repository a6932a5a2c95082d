from __future__ import annotations

import numpy as np

from imagegen_postprocess.background.morphology import (
    brush,
    filled,
    flood,
    grow,
    reaching_border,
    shrink,
    touching,
    window,
)


def room(gap: int) -> np.ndarray:
    """Walkable ground around a walled room whose wall has a gap."""
    ground = np.ones((40, 40), bool)
    ground[10:30, 10:30] = False
    ground[13:27, 13:27] = True
    ground[18 : 18 + gap, 27:30] = True
    return ground


def test_a_flood_enters_through_wide_gaps_only() -> None:
    assert not flood(room(0), 0)[20, 20]
    assert flood(room(2), 0)[20, 20]
    assert not flood(room(2), 2)[20, 20]
    assert flood(room(9), 2)[20, 20]
    assert flood(room(2), 2)[0].all()
    assert not (flood(room(9), 2) & ~room(9)).any()


def test_filled_closes_what_is_enclosed() -> None:
    assert filled(~room(0))[20, 20]
    assert not filled(~room(1))[20, 20]
    assert not filled(np.zeros((5, 5), bool)).any()


def test_only_parts_at_the_border_reach_it() -> None:
    mask = np.zeros((9, 9), bool)
    mask[0, 3] = mask[4:6, 4:6] = True
    assert np.argwhere(reaching_border(mask)).tolist() == [[0, 3]]
    assert not reaching_border(np.zeros((4, 4), bool)).any()
    assert reaching_border(np.ones((4, 4), bool)).all()


def test_parts_are_chosen_by_a_pixel_they_contain() -> None:
    mask = np.zeros((9, 9), bool)
    mask[1, 1:4] = mask[6, 1:8] = True
    place = np.zeros_like(mask)
    place[6, 4] = place[3, 3] = True
    assert np.argwhere(touching(mask, place)).tolist() == [[6, x] for x in range(1, 8)]


def test_growing_and_shrinking_go_by_the_radius() -> None:
    dot = np.zeros((11, 11), bool)
    dot[5, 5] = True
    assert (grow(dot, 3)[2:9, 2:9] == brush(3).astype(bool)).all()
    assert shrink(grow(dot, 3), 3).sum() == 1
    assert shrink(np.ones((6, 6), bool), 2).all()


def test_a_window_surrounds_with_its_margin() -> None:
    mask = np.zeros((20, 30), bool)
    mask[5:8, 0:4] = True
    assert window(mask, 2) == (slice(3, 10), slice(0, 6))
