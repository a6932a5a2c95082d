"""imagegen tune: what was measured is kept under the card's name, and without a card nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from imagegen_kernels import card, tuning
from tests.cli.conftest import Run as Imagegen


def test_without_a_card_there_is_nothing_to_tune(imagegen: Imagegen) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a card")
    ended = imagegen("tune")
    assert ended.code == 2
    assert "nothing to tune: torch finds no CUDA device" in ended.err


def test_what_was_measured_is_used_from_then_on(
    imagegen: Imagegen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before, best = card.Tile(128, 128, 8, 3), card.Tile(64, 128, 4, 2)
    monkeypatch.setenv("IMAGEGEN_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(card, "refusal", lambda device=None: None)
    monkeypatch.setattr(card, "card_name", lambda index: "a-card")
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "A Card")
    monkeypatch.setattr(tuning, "calls", lambda device: {})
    monkeypatch.setattr(
        tuning, "tune", lambda *_: {"ternary": tuning.Tuned(best, 0.001, before, 0.002, refused=7)}
    )
    facts = imagegen("tune", "--json").json()
    file = Path(facts["file"])
    assert file.is_relative_to(tmp_path / "tuned")
    assert facts["ternary"]["refused"] == 7
    card.keep_tiles_in(file.parent)
    assert card.measured(0) == {"ternary": best}
    card.keep_tiles_in(None)
    shown = imagegen("tune").out
    assert "2.00" in shown
    assert "64 x 128, 4 warps" in shown
