"""What is measured on pixels alone."""

from __future__ import annotations

import numpy as np
from PIL import Image

from imagegen_postprocess.marketplaces.look import look_at, share_of_ring


def test_a_huge_picture_is_measured_on_every_second_pixel() -> None:
    picture = Image.new("L", (4200, 2200), 255)
    picture.paste(30, (420, 500, 3780, 1700))
    look = look_at(picture)
    assert look.fill is not None
    assert abs(look.fill - 0.8) < 0.002
    assert (look.backdrop, look.plain, look.parts, look.border) == ((255, 255, 255), True, 1, False)


def test_crumbs_are_no_product() -> None:
    pixels = np.full((400, 400, 3), 255, np.uint8)
    pixels[100:300, 150:250] = 20
    pixels[350, 5] = 0
    look = look_at(Image.fromarray(pixels))
    assert (look.fill, look.parts) == (0.5, 1)


def test_a_slope_of_light_is_no_border_and_not_white() -> None:
    ramp = np.tile(np.linspace(160, 255, 200).astype(np.uint8)[None, :, None], (200, 1, 3))
    picture = Image.fromarray(ramp)
    assert not look_at(picture).border
    assert share_of_ring(picture, (255, 255, 255)) < 0.35


def test_a_square_product_is_no_border() -> None:
    picture = Image.new("RGB", (300, 300), "white")
    picture.paste((20, 20, 20), (15, 15, 285, 285))
    assert not look_at(picture).border


def test_what_lies_inside_the_product_is_no_part_of_its_own() -> None:
    picture = Image.new("RGB", (300, 300), "white")
    picture.paste((20, 20, 20), (50, 50, 250, 250))
    picture.paste((255, 255, 255), (60, 60, 240, 240))
    picture.paste((20, 20, 20), (100, 100, 200, 200))
    assert look_at(picture).parts == 1
