from __future__ import annotations

import numpy as np
import pytest

from imagegen_postprocess.background.cut_out import cut_out
from imagegen_postprocess.subject import Subject
from tests.imagegen_postprocess.drawn import bag, photograph


def test_none_leaves_the_picture_alone() -> None:
    subject = Subject(np.asarray(photograph(bag())))
    kept, note = cut_out(subject, "none")
    assert kept is subject
    assert not note.applied


def test_a_cut_out_is_not_cut_again() -> None:
    subject = Subject(np.asarray(photograph(bag())), bag().alpha)
    for method in ("plain", "u2netp"):
        kept, note = cut_out(subject, method)
        assert kept is subject
        assert "a cut-out already" in note.note


def test_plain_finds_the_product() -> None:
    cut, note = cut_out(Subject(np.asarray(photograph(bag()))), "plain")
    assert note.detail["method"] == "plain"
    assert cut.alpha is not None


def test_a_speck_in_noise_is_no_product(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = np.zeros((320, 320), np.float32)
    answer[100:108, 100:108] = 0.52  # enough of the small answer; at full size the noise has no edge there
    monkeypatch.setattr("imagegen_postprocess.background.cut_out.coverage", lambda pixels, threads: answer)
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    kept, note = cut_out(Subject(noise), "bundled")
    assert kept.alpha is None
    assert not note.applied
    assert note.detail["review"] is True
    assert "no product" in note.note
