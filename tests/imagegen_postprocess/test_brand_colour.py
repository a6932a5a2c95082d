"""Brand colour: the colour asked for, with the folds of the thing it is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from imagegen_postprocess.colour.brand_colour import dominant_colour, match_brand_colour
from imagegen_postprocess.colour.difference import ciede2000
from imagegen_postprocess.colour.linear import to_lab
from imagegen_postprocess.subject import Plane, Subject
from tests.imagegen_postprocess.drawn import bag, photograph


def draped(side: int = 160) -> Subject:
    """A bag whose cloth is shaded in folds, cut out exactly."""
    product = bag(side, (150, 60, 70))
    pixels = np.asarray(photograph(product), np.float32)
    folds = 0.75 + 0.25 * np.sin(np.arange(side) / 6)[None, :, None]
    return Subject(np.clip(pixels * folds, 0, 255).astype(np.uint8), product.alpha)


def lab(colour: str) -> Plane:
    rgb = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return np.asarray(to_lab(np.array([[rgb]], np.uint8))[0, 0])


@pytest.mark.parametrize("target", ["#1d4ed8", "#0f766e", "#f59e0b", "#7c3aed", "#8a2d36", "#c8102e"])
def test_the_dominant_colour_becomes_the_one_asked_for(target: str) -> None:
    subject = draped()
    matched, note = match_brand_colour(subject, target)
    assert note.applied
    assert note.number("difference_after") <= 2.0
    assert ciede2000(lab(dominant_colour(matched)), lab(target)) <= 2.0
    assert note.number("difference_before") > note.number("difference_after")
    assert note.note == ""


def test_folds_stay_folds_and_the_buckle_keeps_its_colour() -> None:
    subject = draped()
    matched, _ = match_brand_colour(subject, "#2458a0")
    body = (slice(100, 125), slice(40, 70))
    before, after = to_lab(subject.pixels)[body][..., 0], to_lab(matched.pixels)[body][..., 0]
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.98
    buckle = (slice(86, 94), slice(76, 84))
    assert ciede2000(to_lab(matched.pixels)[buckle], to_lab(subject.pixels)[buckle]).max() < 3


def test_what_has_the_colour_already_is_left_alone() -> None:
    subject = draped()
    own = dominant_colour(subject)
    same, note = match_brand_colour(subject, own)
    assert same is subject
    assert (note.applied, note.note) == (False, "")


def test_without_a_cut_out_nobody_knows_the_product() -> None:
    whole = Subject(draped().pixels)
    same, note = match_brand_colour(whole, "#112233")
    assert same is whole
    assert "no cut-out" in note.note


def structure_kept(before: Subject, after: Subject) -> float:
    """SSIM of L* over part of the product (7x7 window, data range 100), both at the same mean."""
    from skimage.metrics import structural_similarity

    body = (slice(75, 135), slice(35, 125))
    one, two = (to_lab(subject.pixels)[body][..., 0] for subject in (before, after))
    moved = two - (two.mean() - one.mean())
    return float(structural_similarity(one, moved, data_range=100.0))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("cloth", [(42, 40, 40), (150, 60, 70), (236, 234, 230)])
@pytest.mark.parametrize("step", [-28, 28])
def test_a_correction_keeps_the_shading_of_dark_and_light_cloth(
    cloth: tuple[int, int, int], step: int
) -> None:
    product = bag(160, cloth)
    folds = 0.8 + 0.2 * np.sin(np.arange(160) / 6)[None, :, None]
    pixels = np.clip(np.asarray(photograph(product), np.float32) * folds, 0, 255).astype(np.uint8)
    subject = Subject(pixels, product.alpha)
    own = dominant_colour(subject)
    red, green, blue = (int(own[at : at + 2], 16) for at in (1, 3, 5))
    target = "#{:02x}{:02x}{:02x}".format(*(min(247, max(8, c)) for c in (red + step, green - step, blue)))
    matched, note = match_brand_colour(subject, target)
    assert note.number("difference_after") <= 2.0
    assert structure_kept(subject, matched) >= 0.95


def test_a_colour_that_was_missed_is_said_to_be() -> None:
    subject = draped()
    striped = subject.pixels.copy()
    striped[:, ::2] = 235 - striped[:, ::2] // 8  # every second column is nearly white
    notes = [match_brand_colour(Subject(striped, subject.alpha), each)[1] for each in ("#00ff00", "#0000ff")]
    for note in notes:
        assert (note.number("difference_after") > 2.0) == ("missed by CIEDE2000" in note.note)
    assert any(note.note for note in notes)


def test_nothing_to_see_is_no_product() -> None:
    subject = draped()
    assert subject.alpha is not None
    empty = Subject(subject.pixels, np.zeros_like(subject.alpha))
    assert match_brand_colour(empty, "#112233")[0] is empty
