from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from imagegen_postprocess.background.plain import cut_out_plain
from imagegen_postprocess.colour.linear import to_light
from imagegen_postprocess.colour.white_balance import balance_white, is_meant_white
from imagegen_postprocess.subject import Subject
from tests.imagegen_postprocess.drawn import bag, photograph

GREY_BAG = bag(colour=(132, 130, 126))
WARM = (1.0, 0.90, 0.72)


def cut(picture: Image.Image) -> Subject:
    return cut_out_plain(Subject(np.asarray(picture)))[0]


def product_light(subject: Subject) -> np.ndarray:
    assert subject.alpha is not None
    return np.asarray(to_light(subject.pixels[subject.alpha > 0.99]).mean(axis=0))


def angle(one: np.ndarray, other: np.ndarray) -> float:
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    return float(np.degrees(np.arccos(min(1.0, cosine))))


def test_a_white_backdrop_tells_the_light() -> None:
    truth = product_light(cut(photograph(GREY_BAG, (236, 236, 236))))
    warm = cut(photograph(GREY_BAG, (236, 236, 236), light=WARM, noise=1))
    balanced, note = balance_white(warm, 1.0)
    assert note.applied
    assert note.detail["source"] == "backdrop"
    assert angle(product_light(warm), truth) > 4
    assert angle(product_light(balanced), truth) < 0.7
    assert balanced.backdrop is not None
    assert np.ptp(balanced.backdrop) < 0.01


def test_strength_goes_part_of_the_way() -> None:
    warm = cut(photograph(GREY_BAG, (236, 236, 236), light=WARM))
    casts = []
    for strength in (0.0, 0.5, 1.0):
        balanced, _ = balance_white(warm, strength)
        assert balanced.backdrop is not None
        casts.append(angle(np.array(balanced.backdrop), np.ones(3)))
    assert casts[0] > casts[1] > casts[2]
    assert casts[1] == pytest.approx(casts[0] / 2, rel=0.2)
    assert casts[2] < 0.1


def test_strength_zero_touches_nothing() -> None:
    warm = cut(photograph(GREY_BAG, (236, 236, 236), light=WARM))
    balanced, note = balance_white(warm, 0.0)
    assert balanced is warm
    assert not note.applied


def test_a_neutral_backdrop_leaves_nothing_to_do() -> None:
    subject = cut(photograph(bag(), (240, 240, 240)))
    balanced, note = balance_white(subject, 1.0)
    assert balanced is subject
    assert (note.applied, note.note) == (False, "")  # nothing that anybody has to know


@pytest.mark.parametrize("backdrop", [(120, 160, 210), (250, 200, 205), (60, 60, 60)])
def test_a_backdrop_with_a_colour_of_its_own_is_no_witness(backdrop: tuple[int, int, int]) -> None:
    subject = cut(photograph(bag(), backdrop))
    balanced, note = balance_white(subject, 1.0)
    assert balanced is subject
    assert "colour of its own" in note.note


def test_who_knows_may_say_that_the_backdrop_is_white() -> None:
    tungsten = cut(photograph(GREY_BAG, (236, 236, 236), light=(1.0, 0.78, 0.45)))
    truth = product_light(cut(photograph(GREY_BAG, (236, 236, 236))))
    assert balance_white(tungsten, 1.0)[0] is tungsten
    balanced, note = balance_white(tungsten, 1.0, white_backdrop=True)
    assert note.applied
    assert angle(product_light(balanced), truth) < 1.0
    night = Subject(tungsten.pixels, tungsten.alpha, (0.3, 0.2, 0.001))
    assert balance_white(night, 1.0, white_backdrop=True)[0] is night


def test_a_product_alone_is_no_witness() -> None:
    alone = Subject(np.full((40, 40, 3), (200, 30, 30), np.uint8), np.ones((40, 40), np.float32))
    balanced, note = balance_white(alone, 1.0)
    assert balanced is alone
    assert "does not tell the light" in note.note


def scene(light: tuple[float, float, float]) -> Subject:
    """Many things of many colours that are grey on average, among them bright neutral ones."""
    random = np.random.default_rng(3)
    tiles = random.uniform(0.05, 0.8, (12, 12, 1)) * (1 + random.uniform(-0.25, 0.25, (12, 12, 3)))
    tiles[::5, ::5] = 0.82
    scaled = np.clip(tiles.repeat(10, 0).repeat(10, 1) * np.array(light), 0, 0.94)
    return Subject(np.rint(255 * scaled ** (1 / 2.2)).astype(np.uint8))


def test_a_scene_is_balanced_when_the_estimators_agree() -> None:
    lit = scene((1.0, 0.93, 0.80))
    balanced, note = balance_white(lit, 1.0)
    assert note.applied
    assert note.detail["source"] == "scene statistics"
    before, after = (
        angle(to_light(s.pixels[:10, :10]).mean(axis=(0, 1)), np.ones(3)) for s in (lit, balanced)
    )
    assert before > 3
    assert after < before / 2


def test_a_scene_that_is_hardly_off_is_left_alone() -> None:
    lit = scene((1.0, 0.98, 0.95))
    balanced, note = balance_white(lit, 1.0)
    assert balanced is lit
    assert note.number("cast_degrees") > 0.5


def test_a_scene_is_left_alone_when_they_disagree() -> None:
    pixels = np.full((64, 64, 3), (30, 60, 160), np.uint8)  # a blue wall
    pixels[:8] = (225, 220, 215)  # and a strip of white
    wall = Subject(pixels)
    balanced, note = balance_white(wall, 1.0)
    assert balanced is wall
    assert "unsure" in note.note


def test_one_single_colour_is_not_made_grey() -> None:
    red = Subject(np.full((64, 64, 3), (190, 40, 40), np.uint8))
    balanced, note = balance_white(red, 1.0)
    assert balanced is red
    assert not note.applied


def test_paper_is_meant_white_and_pastel_is_not() -> None:
    assert is_meant_white((0.9, 0.9, 0.9))
    assert is_meant_white((0.8, 0.72, 0.58))
    assert not is_meant_white((0.1, 0.1, 0.1))
    assert not is_meant_white((0.9, 0.6, 0.62))
