"""Uneven light: what a lamp from one side does is taken back, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from imagegen_postprocess.colour.difference import ciede2000
from imagegen_postprocess.colour.linear import to_lab, to_light, to_pixels
from imagegen_postprocess.colour.uneven_light import even_light
from imagegen_postprocess.subject import Rgb, Subject
from tests.imagegen_postprocess.drawn import bag, photograph

GREY: Rgb = (0.6, 0.6, 0.6)


def lit(right: tuple[float, float, float], shadow: float = 0.0) -> tuple[Subject, Subject]:
    """A bag on grey under a lamp that changes to `right` (a gain) from left to right, and as it is."""
    product = bag(192, (140, 100, 60))
    plain = np.asarray(photograph(product, (205, 205, 205), shadow=shadow))
    ramp = np.linspace(0, 1, plain.shape[1])[None, :, None]
    gain = np.array(right) ** ramp
    seen = to_pixels((to_light(plain) * gain).astype(np.float32))
    return Subject(seen, product.alpha, GREY), Subject(plain, product.alpha, GREY)


def difference(one: Subject, other: Subject) -> float:
    product = one.alpha is not None and one.alpha > 0.9
    lab_one, lab_other = to_lab(one.pixels)[product], to_lab(other.pixels)[product]
    lab_one = lab_one + (lab_other.mean(axis=0) - lab_one.mean(axis=0))  # as a whole is another step's
    return float(ciede2000(lab_one, lab_other).mean())


@pytest.mark.parametrize("right", [(0.6, 0.6, 0.6), (1.0, 0.85, 0.6), (0.7, 0.8, 1.0)])
@pytest.mark.parametrize("shadow", [0.0, 0.4])
def test_a_lamp_from_one_side_is_evened_out(right: tuple[float, float, float], shadow: float) -> None:
    uneven, even = lit(right, shadow)
    mended, note = even_light(uneven, 1.0)
    assert note.applied
    assert difference(mended, even) < 0.35 * difference(uneven, even) + 0.15  # rounding to 8 bits
    assert mended.alpha is uneven.alpha


def test_even_light_is_left_alone() -> None:
    _, even = lit((1.0, 1.0, 1.0))
    same, note = even_light(even, 1.0)
    assert same is even
    assert (note.applied, note.note) == (False, "")


def test_a_backdrop_with_a_pattern_is_no_witness() -> None:
    subject, _ = lit((0.6, 0.6, 0.6))
    pixels = subject.pixels.copy()
    checks = (np.indices(pixels.shape[:2]) // 12).sum(axis=0) % 2 == 0
    pixels[checks] = pixels[checks] // 3 * 2
    same, note = even_light(Subject(pixels, subject.alpha, GREY), 1.0)
    assert (same.pixels is pixels, note.applied) == (True, False)
    assert note.note


def test_half_the_strength_takes_back_half() -> None:
    uneven, even = lit((0.5, 0.5, 0.5))
    half, whole = even_light(uneven, 0.5)[0], even_light(uneven, 1.0)[0]
    assert difference(whole, even) < difference(half, even) < difference(uneven, even)


@pytest.mark.parametrize("subject", [Subject(np.zeros((32, 32, 3), np.uint8))])
def test_without_a_backdrop_nothing_is_known(subject: Subject) -> None:
    assert even_light(subject, 1.0)[0] is subject
    assert not even_light(subject, 0.0)[1].note
