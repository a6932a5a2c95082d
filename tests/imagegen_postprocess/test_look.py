"""What is measured on pixels alone."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

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


def photographed(side: int = 400) -> Image.Image:
    """A noisy product on white that fills most of the frame."""
    pixels = np.full((side, side, 3), 255, np.uint8)
    noise = np.random.default_rng(5).normal(0, 6, (side - 100, side - 100, 3))
    pixels[50:-50, 50:-50] = np.clip(np.array((90, 60, 40)) + noise, 0, 255)
    return Image.fromarray(pixels)


def test_a_bar_or_a_badge_over_the_product_is_an_even_patch() -> None:
    assert look_at(photographed()).panels == 0
    bar = photographed()
    ImageDraw.Draw(bar).rectangle((60, 300, 340, 340), fill=(200, 20, 20))
    badge = photographed()
    ImageDraw.Draw(badge).ellipse((200, 70, 300, 170), fill=(240, 200, 30))
    for picture in (bar, badge):
        look = look_at(picture)
        assert (look.parts, look.panels) == (1, 1)


def test_an_even_product_with_a_ragged_outline_is_no_panel() -> None:
    star = Image.new("RGB", (400, 400), "white")
    points = [
        (200 + r * np.cos(a), 200 + r * np.sin(a))
        for a, r in zip(np.linspace(0, 2 * np.pi, 11)[:10], [180, 80] * 5, strict=True)
    ]
    ImageDraw.Draw(star).polygon([(float(x), float(y)) for x, y in points], fill=(20, 20, 20))
    assert look_at(star).panels == 0
