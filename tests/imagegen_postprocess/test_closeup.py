from __future__ import annotations

import cv2
import numpy as np

from imagegen_postprocess.background.closeup import Window, closer, window_around
from imagegen_postprocess.background.cut_out import cut_out
from imagegen_postprocess.background.sheet import look_behind
from imagegen_postprocess.subject import Pixels, Plane, Subject
from tests.imagegen_postprocess.drawn import bag, photograph

WHITE = (246, 246, 246)
SIDE, TOP, LEFT = 1000, 600, 120  # a bag of 256 pixels in the lower left of a large sheet


def large() -> tuple[Pixels, Plane]:
    """A small product on a large sheet whose light falls off, and its alpha."""
    pixels = np.full((SIDE, SIDE, 3), WHITE, np.uint8)
    alpha = np.zeros((SIDE, SIDE), np.float32)
    place = np.s_[TOP : TOP + 256, LEFT : LEFT + 256]
    pixels[place] = np.asarray(photograph(bag(), WHITE, noise=0.0, seed=3))
    alpha[place] = bag().alpha
    light = np.linspace(1.0, 0.9, SIDE, dtype=np.float32)[None, :, None]
    return np.rint(pixels * light).astype(np.uint8), alpha


def test_the_window_holds_what_differs_and_what_the_network_saw() -> None:
    pixels, alpha = large()
    answer = np.zeros((320, 320), np.float32)
    answer[20:40, 280:300] = 1  # white on white: only the network tells
    window = window_around(look_behind(pixels), answer, SIDE, SIDE)
    assert window is not None
    inside = np.zeros((SIDE, SIDE), bool)
    inside[window.rows, window.columns] = True
    assert inside[alpha > 0].all()
    assert inside[70:120, 880:930].all()
    assert not inside[:20].any()
    assert not inside[:, :100].any()


def test_a_product_that_fills_its_picture_needs_no_window() -> None:
    whole = np.ones((320, 320), np.float32)
    assert window_around(look_behind(large()[0]), whole, SIDE, SIDE) is None


def test_nothing_found_is_no_window() -> None:
    bare = np.full((300, 200, 3), WHITE, np.uint8)
    assert window_around(look_behind(bare), np.zeros((96, 96), np.float32), 200, 300) is None


def test_the_sheet_through_a_window_is_the_same_sheet() -> None:
    pixels, _ = large()
    sheet = look_behind(pixels)
    window = Window(slice(TOP, TOP + 256), slice(LEFT, LEFT + 256))
    near = closer(sheet, pixels, window)
    assert near.small.shape == near.backdrop.surface.shape == (256, 256, 3)
    known = cv2.resize(sheet.backdrop.surface, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    assert np.abs(near.backdrop.surface - window.cut(known)).max() < 0.2  # type: ignore[arg-type]


def test_what_lies_beyond_the_window_is_background() -> None:
    part = Subject(np.full((4, 6, 3), 9, np.uint8), np.ones((4, 6), np.float32), (1.0, 1.0, 1.0))
    laid = Window(slice(2, 6), slice(1, 7)).laid(part, width=10, height=8)
    assert laid.alpha is not None
    assert laid.backdrop == part.backdrop
    assert laid.alpha.sum() == 24
    assert (laid.pixels[laid.alpha == 0] == 0).all()
    assert laid.alpha[2:6, 1:7].all()


def test_a_small_product_is_cut_out_as_finely_as_a_large_one() -> None:
    pixels, alpha = large()
    cut, note = cut_out(Subject(pixels), "auto", keep_shadow=False)
    assert note.detail["closer"]
    assert cut.alpha is not None
    assert cut.alpha.shape == alpha.shape
    found, truth = cut.alpha > 0.5, alpha > 0.5
    assert (found & truth).sum() / (found | truth).sum() > 0.97
