from __future__ import annotations

import cv2
import numpy as np
import pytest

from imagegen_postprocess.background.cut_out import cut_out
from imagegen_postprocess.background.seconded import scenery, second, with_certain_patches
from imagegen_postprocess.background.sheet import look_behind
from imagegen_postprocess.subject import Mask, Pixels, Plane, Subject
from tests.imagegen_postprocess.drawn import bag, photograph, watch

WHITE = (246, 246, 246)


def picture(product: object = None) -> Pixels:
    return np.asarray(photograph(product or bag(), WHITE, noise=0.8, seed=3))  # type: ignore[arg-type]


def coarse(mask: Mask) -> Plane:
    """What a network says of it: right, but soft by a pixel or two."""
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.5), np.float32)


def overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_the_sheet_opens_a_gap_that_the_network_filled() -> None:
    filled = bag().solid | (cv2.morphologyEx(bag().alpha, cv2.MORPH_CLOSE, np.ones((91, 91))) > 0.5)
    assert filled[85, 128]
    found = second(look_behind(picture()), 0.95 * coarse(filled))
    assert not found.regions.product[85, 128]
    assert found.regions.holes >= 1
    assert overlap(found.regions.product, bag().solid) > 0.97


def test_the_network_keeps_what_the_sheet_cannot_tell() -> None:
    """A dial as white as the paper: to the sheet's colour it is a hole."""
    product = watch(dial=(244, 244, 244))
    found = second(look_behind(picture(product)), coarse(product.solid))
    assert found.regions.product[100:150, 100:150].mean() > 0.95


def test_the_sheet_adds_a_part_that_the_network_missed() -> None:
    seen = bag().solid.copy()
    seen[:108] = False  # the handle
    found = second(look_behind(picture()), coarse(seen))
    assert found.added > 0.05
    assert overlap(found.regions.product, bag().solid) > 0.95


def test_what_is_out_of_focus_and_unseen_is_scenery() -> None:
    pixels = picture().copy()
    pixels[150:240, 0:30] = (30, 120, 40)
    behind = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 6), np.uint8)
    pixels = np.where((bag().alpha > 0)[..., None], pixels, behind)
    found = second(look_behind(pixels), coarse(bag().solid))
    assert not found.regions.product[190, 10]
    assert found.refused > 0.05


def test_scenery_as_dark_as_the_product_is_told_from_it() -> None:
    """Both are one patch of even colour, which `second` fills: so it is asked before."""
    pixels = np.full((256, 256, 3), WHITE, np.uint8)
    pixels[90:140, 90:200] = (30, 28, 30)
    pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 4), np.uint8)
    solid = np.zeros((256, 256), bool)
    solid[120:230, 60:220] = True
    pixels[solid] = (30, 28, 30)
    sheet, answer = look_behind(pixels), coarse(solid)
    assert scenery(sheet, answer) > 2 * second(sheet, answer).refused
    alone = np.where(solid[..., None], pixels, np.uint8(WHITE[0]))
    assert scenery(look_behind(alone), answer) < 0.05


def test_a_patch_is_filled_to_its_edges() -> None:
    """The network took most of an even panel in its frame, and left a corner of it out."""
    pixels, solid = np.full((256, 256, 3), WHITE, np.uint8), np.zeros((256, 256), bool)
    solid[50:200, 60:190] = True
    pixels[solid] = (60, 90, 80)
    pixels[62:188, 72:178] = (222, 222, 222)
    seen = solid.copy()
    seen[62:95, 72:110] = False
    assert overlap(second(look_behind(pixels), coarse(seen)).regions.product, solid) > 0.98


def test_what_the_first_look_was_certain_of_stays() -> None:
    """The second network opened a dial as white as the paper; a gap that the first doubted stays open."""
    whole = np.zeros((96, 96), np.float32)
    whole[20:76, 20:76] = 1
    opened = whole.copy()
    opened[30:40, 30:40] = opened[55:65, 55:65] = 0
    first = whole.copy()
    first[50:70, 50:70] = 0.7
    kept = with_certain_patches(opened, first)
    assert kept[30:40, 30:40].min() > 0.98
    assert kept[55:65, 55:65].max() == 0


@pytest.mark.parametrize("keep_shadow", [True, False])
def test_auto_asks_both_before_a_sheet_and_says_so(keep_shadow: bool) -> None:
    product = watch(dial=(228, 226, 220))
    pixels = np.asarray(photograph(product, WHITE, noise=0.8, shadow=0.5, seed=3))
    cut, note = cut_out(Subject(pixels), "auto", keep_shadow=keep_shadow)
    assert (note.detail["method"], note.detail["seconded"]) == ("plain", "bundled")
    assert cut.alpha is not None
    assert overlap(cut.alpha > 0.5, product.solid) > 0.97
    outside = cv2.dilate(product.solid.astype(np.uint8), np.ones((9, 9), np.uint8)) == 0
    assert (cut.alpha[outside].max() > 0.05) == keep_shadow


def test_a_border_that_is_not_plain_has_no_say() -> None:
    noise = np.random.default_rng(4).integers(0, 255, (80, 96, 3), np.uint8)
    assert look_behind(noise).plainness == 0
