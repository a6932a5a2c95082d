from __future__ import annotations

import numpy as np
import pytest

from imagegen_postprocess.background.cut_out import cut_out
from imagegen_postprocess.background.people import may_hold_people
from imagegen_postprocess.subject import Pixels, Plane, Subject

FACE = (206, 150, 124)


def scene(skin_rows: int) -> Pixels:
    """A navy coat before noise, its upper rows skin."""
    pixels = np.random.default_rng(1).integers(0, 255, (128, 128, 3), np.uint8)
    pixels[32:96, 32:96] = (30, 36, 80)
    pixels[32 : 32 + skin_rows, 32:96] = FACE
    return pixels


def answer(doubt: float) -> Plane:
    seen = np.zeros((128, 128), np.float32)
    seen[32:96, 32:96] = 1
    seen[96:110, 32:96] = doubt
    return seen


@pytest.mark.parametrize(
    ("skin_rows", "doubt", "expected"),
    [(16, 0.4, True), (0, 0.4, False), (16, 0.0, False), (64, 0.4, False)],
    ids=["person", "no skin", "no doubt", "all of it skin-coloured"],
)
def test_skin_in_a_doubtful_outline_is_the_sign(skin_rows: int, doubt: float, expected: bool) -> None:
    assert may_hold_people(scene(skin_rows), answer(doubt)) is expected


def test_nothing_found_is_nobody() -> None:
    assert not may_hold_people(scene(16), np.zeros((128, 128), np.float32))


def test_it_asks_for_review(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "imagegen_postprocess.background.cut_out.coverage", lambda pixels, threads: answer(0.4)
    )
    for method in ("auto", "bundled"):
        cut, note = cut_out(Subject(scene(16)), method)
        assert cut.alpha is not None
        assert note.detail["people"] is True
        assert note.detail["review"] is True
        assert "people" in note.note
