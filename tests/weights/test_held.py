from __future__ import annotations

import pytest

from imagegen.weights.held import Held


def test_is_loaded_when_asked_for_and_again_after_it_was_let_go() -> None:
    loads: list[object] = []

    def load() -> object:
        loads.append(object())
        return loads[-1]

    held = Held(load)
    assert not held.is_held
    assert held.get() is held.get() is loads[0]
    held.let_go()
    assert not held.is_held
    assert held.get() is loads[1]
    assert len(loads) == 2


def test_a_failed_load_is_tried_again() -> None:
    answers = iter([ValueError("torn"), None])

    def load() -> str:
        if (error := next(answers)) is not None:
            raise error
        return "network"

    held = Held(load)
    with pytest.raises(ValueError, match="torn"):
        held.get()
    assert held.get() == "network"
