from __future__ import annotations

import numpy as np

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
