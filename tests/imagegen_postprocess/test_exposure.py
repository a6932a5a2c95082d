from __future__ import annotations

import numpy as np
import pytest

from imagegen_postprocess.background.plain import cut_out_plain
from imagegen_postprocess.colour.exposure import MAX_GAIN_BACKDROP, MAX_GAIN_GREY, MAX_GAIN_PRODUCT, expose
from imagegen_postprocess.colour.linear import to_light
from imagegen_postprocess.subject import Subject
from tests.imagegen_postprocess.drawn import bag, photograph, shoe


def cut(*args: object, **options: object) -> Subject:
    return cut_out_plain(Subject(np.asarray(photograph(*args, **options))))[0]  # type: ignore[arg-type]


def plain(grey: int, alpha: float | None = 1.0) -> Subject:
    return Subject(
        np.full((32, 32, 3), grey, np.uint8), None if alpha is None else np.full((32, 32), alpha, np.float32)
    )


def test_a_white_sheet_that_came_out_grey_tells_the_missing_light() -> None:
    dim = cut(bag(), (255, 255, 255), light=(0.6, 0.6, 0.6))
    truth = cut(bag(), (255, 255, 255))
    exposed, note = expose(dim, 1.0)
    assert note.applied
    assert note.detail["gain"] == pytest.approx(1 / 0.6, rel=0.02)
    assert note.detail["stops"] == pytest.approx(np.log2(1 / 0.6), abs=0.03)
    middle = exposed.pixels[170:200, 60:100].mean() - truth.pixels[170:200, 60:100].mean()
    assert abs(middle) < 2


def test_the_gain_is_bounded() -> None:
    night = cut(bag(), (255, 255, 255), light=(0.3, 0.3, 0.3))
    _, note = expose(night, 1.0)
    assert note.detail["gain"] == pytest.approx(MAX_GAIN_BACKDROP)
    _, note = expose(plain(40), 1.0)
    assert note.detail["gain"] == pytest.approx(MAX_GAIN_PRODUCT)


def test_what_is_lighter_than_the_sheet_says_that_the_sheet_is_grey() -> None:
    pixels = np.full((32, 32, 3), 40, np.uint8)
    pixels[:2] = 200  # lighter than a sheet of 0.35
    covered = np.ones((32, 32), np.float32)
    grey, white = (
        expose(Subject(found, covered, (0.35, 0.35, 0.35)), 1.0)[1]
        for found in (pixels, np.minimum(pixels, 40))
    )
    assert grey.number("gain") <= MAX_GAIN_GREY
    assert white.number("gain") == pytest.approx(1 / 0.35, rel=0.01)


def test_highlights_are_not_pushed_over() -> None:
    dim = cut(shoe(colour=(250, 250, 250)), (180, 180, 184))
    exposed, _ = expose(dim, 1.0)
    assert exposed.alpha is not None
    assert np.percentile(to_light(exposed.pixels[exposed.alpha > 0.99]), 99) <= 0.98


def test_strength_goes_part_of_the_way() -> None:
    dim = cut(bag(), (255, 255, 255), light=(0.6, 0.6, 0.6))
    gains = [expose(dim, strength)[1].detail["gain"] for strength in (0.5, 1.0)]
    assert gains[0] == pytest.approx(float(gains[1]) ** 0.5, rel=1e-3)  # type: ignore[arg-type]


@pytest.mark.parametrize("grey", [170, 255])
def test_a_bright_product_leaves_nothing_to_do(grey: int) -> None:
    subject = plain(grey)
    exposed, note = expose(subject, 1.0)
    assert exposed is subject
    assert (note.applied, note.note) == (False, "")


def test_strength_zero_touches_nothing() -> None:
    subject = plain(40)
    assert expose(subject, 0.0)[0] is subject


@pytest.mark.parametrize("alpha", [None, 0.0, 0.3])
def test_pictures_without_a_solid_product_are_measured_whole(alpha: float | None) -> None:
    _, note = expose(plain(100, alpha), 1.0)
    assert note.detail["p50"] == pytest.approx(0.1274, abs=1e-3)
