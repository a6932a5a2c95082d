"""A product goes by its colour, whatever its shadows, glare and white parts."""

import numpy as np
import pytest
from numpy.typing import NDArray

from training.colour_names import BASIC, BASIC_OF, clear_colour_name, colour_name, oklab, product_mask
from training.vocabulary import COLOURS

PAINTS = {
    "black": (25, 25, 28),
    "white": (244, 243, 240),
    "grey": (128, 128, 128),
    "red": (200, 20, 30),
    "orange": (250, 140, 20),
    "yellow": (250, 220, 40),
    "green": (30, 130, 50),
    "blue": (30, 60, 190),
    "purple": (110, 30, 130),
    "pink": (250, 150, 180),
    "brown": (120, 70, 35),
}


def patch(paint: tuple[int, int, int]) -> NDArray[np.uint8]:
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[16:48, 8:56] = paint
    return picture


@pytest.mark.parametrize("name", BASIC)
def test_a_patch_of_each_colour_gets_its_name(name: str) -> None:
    assert colour_name(patch(PAINTS[name])) == name


@pytest.mark.parametrize("name", [name for name in BASIC if name not in ("white", "grey", "black")])
def test_shadows_and_glare_do_not_rename_it(name: str) -> None:
    light = np.linspace(0.75, 1.05, 48)[:, None]
    picture = patch(PAINTS[name])
    picture[16:48, 8:56] = np.clip(light * np.array(PAINTS[name]), 0, 255).astype(np.uint8)
    picture[18:20, 12:40] = 255  # a highlight
    picture[46:48, 8:56] = 30  # a shadow
    assert colour_name(picture) == name


def test_a_blue_shoe_with_a_white_sole_and_black_laces_is_blue() -> None:
    picture = patch(PAINTS["blue"])
    picture[40:48, 8:56] = PAINTS["white"]
    picture[16:20, 20:40] = PAINTS["black"]
    assert colour_name(picture) == "blue"


def test_a_black_bag_with_a_red_label_is_black() -> None:
    picture = patch(PAINTS["black"])
    picture[28:34, 28:36] = PAINTS["red"]
    assert colour_name(picture) == "black"


@pytest.mark.parametrize(
    ("paint", "name"), [((128, 0, 0), "red"), ((0, 0, 128), "blue"), ((210, 180, 140), "brown")]
)
def test_dark_and_light_shades_keep_the_basic_name(paint: tuple[int, int, int], name: str) -> None:
    assert colour_name(patch(paint)) == name


def test_white_inside_an_outline_belongs_to_the_product() -> None:
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[16:48, 16:48] = 180
    picture[18:46, 18:46] = 255
    mask = product_mask(picture)
    assert mask[30, 30]
    assert not mask[5, 5]
    assert colour_name(picture) == "white"


def test_an_empty_square_is_white() -> None:
    assert colour_name(np.full((64, 64, 3), 255, np.uint8)) == "white"


def test_oklab_of_white_and_black() -> None:
    ends = oklab(np.array([[255, 255, 255], [0, 0, 0]], np.uint8))
    assert np.allclose(ends, [[1, 0, 0], [0, 0, 0]], atol=1e-3)


def test_every_mapped_name_is_a_catalogue_colour_with_a_basic_name() -> None:
    assert set(BASIC_OF) <= set(COLOURS)
    assert set(BASIC_OF.values()) == set(BASIC)


def test_a_colour_is_clear_where_it_lasts_at_half_the_size() -> None:
    assert clear_colour_name(patch(PAINTS["green"])) == "green"
    # Lines of red and of white, a pixel each: pink from further away.
    stripes = patch(PAINTS["white"])
    stripes[16:48:2, 8:56] = PAINTS["red"]
    assert colour_name(stripes) == "red"
    assert clear_colour_name(stripes) == ""
