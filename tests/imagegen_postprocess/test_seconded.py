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


def test_what_the_network_took_is_product() -> None:
    found = second(look_behind(picture()), coarse(bag().solid))
    assert overlap(found.regions.product, bag().solid) > 0.97
    assert found.regions.holes >= 1
    assert not found.regions.outside[85, 128]  # under the handle
    assert found.refused < 0.02


def test_a_shadow_at_its_foot_is_neither_product_nor_backdrop() -> None:
    shadowed = np.asarray(photograph(bag(), WHITE, noise=0.8, shadow=0.5, seed=3))
    found = second(look_behind(shadowed), coarse(bag().solid)).regions
    between = ~(found.product | found.backdrop)
    assert between.any()
    assert overlap(found.product, bag().solid) > 0.97


def test_a_shadow_may_be_black_at_its_foot() -> None:
    """Cut away as backdrop it left a white gap between a sole and the rest of its shadow."""
    pixels = picture().copy()
    foot = int(np.flatnonzero(bag().solid.any(axis=1))[-1])
    middle = slice(100, 156)
    pixels[foot + 2 : foot + 8, middle] = 12
    pixels[foot + 8 : foot + 14, middle] = 150
    found = second(look_behind(pixels), coarse(bag().solid)).regions
    assert not found.product[foot + 5, 110:146].any()
    assert not found.backdrop[foot + 5, 110:146].any()


def test_what_is_out_of_focus_and_unseen_is_scenery() -> None:
    pixels = picture().copy()
    pixels[150:240, 0:30] = (30, 120, 40)
    behind = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 6), np.uint8)
    pixels = np.where((bag().alpha > 0)[..., None], pixels, behind)
    found = second(look_behind(pixels), coarse(bag().solid))
    assert not found.regions.product[190, 10]
    assert found.refused > 0.05


def test_a_product_alone_has_no_scenery() -> None:
    assert scenery(look_behind(picture()), coarse(bag().solid)) < 0.05


def test_a_pale_part_that_the_first_look_was_certain_of_stays() -> None:
    """The second network opened the dial and the gap under it; both are certain to the first."""
    product = watch(dial=(226, 224, 218))
    sheet = look_behind(picture(product))
    near = coarse(product.solid)
    near[110:150, 110:150] = near[190:200, 120:135] = 0
    sheet.lab[190:200, 120:135] = sheet.backdrop.surface[190:200, 120:135]
    kept = with_certain_patches(near, np.ones_like(near), sheet)
    assert kept[112:148, 112:148].min() > 0.98
    assert kept[192:198, 122:133].max() == 0


@pytest.mark.parametrize("keep_shadow", [True, False])
def test_auto_asks_both_before_a_sheet_and_says_so(keep_shadow: bool) -> None:
    product = watch(dial=(228, 226, 220))
    pixels = np.asarray(photograph(product, WHITE, noise=0.8, shadow=0.5, seed=3))
    cut, note = cut_out(Subject(pixels), "auto", keep_shadow=keep_shadow)
    assert (note.detail["method"], note.detail["seconded"]) == ("plain", "bundled")
    assert cut.alpha is not None
    assert overlap(cut.alpha > 0.5, product.solid) > 0.97
    outside = cv2.dilate(product.solid.astype(np.uint8), np.ones((9, 9), np.uint8)) == 0
    # A few pixels of the shadow's heart may pass for product.
    assert ((cut.alpha[outside] > 0.05).mean() > 0.001) == keep_shadow


def test_a_border_that_is_not_plain_has_no_say() -> None:
    noise = np.random.default_rng(4).integers(0, 255, (80, 96, 3), np.uint8)
    assert look_behind(noise).plainness == 0
