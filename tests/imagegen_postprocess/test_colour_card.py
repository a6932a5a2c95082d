"""Colour card: found where it is, believed when it fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from imagegen_postprocess import open_picture
from imagegen_postprocess.colour.colour_card import PATCHES, calibrate
from imagegen_postprocess.colour.linear import to_light, to_pixels
from imagegen_postprocess.intake import take_in
from imagegen_postprocess.subject import Subject
from tests.imagegen_postprocess.drawn import bag, photograph


def scene(light: tuple[float, float, float] = (1, 1, 1)) -> Subject:
    """A drawn card beside a bag, under a lamp."""
    picture = Image.new("RGB", (720, 640), (150, 150, 150))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((60, 60, 60 + 6 * 70 + 20, 60 + 4 * 70 + 20), fill=(20, 20, 20))
    for place, colour in enumerate(PATCHES):
        x, y = 60 + 15 + (place % 6) * 70, 60 + 15 + (place // 6) * 70
        pen.rectangle((x, y, x + 58, y + 58), fill=tuple(int(value) for value in colour))
    picture.paste(photograph(bag(200), (150, 150, 150)), (300, 400))
    seen = to_light(np.asarray(picture)) * np.array(light, np.float32)
    return Subject(to_pixels(seen.astype(np.float32)))


def test_the_cards_colours_come_back() -> None:
    dim = scene((0.75, 0.6, 0.45))
    mended, note = calibrate(dim, 1.0)
    assert note.applied
    assert note.number("difference_after") < 1 < 5 < note.number("difference_before")
    error = np.abs(mended.pixels.astype(int) - scene().pixels)
    assert np.median(error) <= 2


def test_without_a_card_nothing_is_done() -> None:
    plain = Subject(np.asarray(photograph(bag(256), (230, 230, 230))))
    same, note = calibrate(plain, 1.0)
    assert same is plain
    assert (note.applied, note.note) == (False, "no colour card was found in the picture")
    assert calibrate(plain, 0.0)[1].note == ""


@pytest.mark.parametrize("name", ["plantcv_classic.png", "plantcv_calibrite-passport.png"])
def test_real_cards_are_read(shared_data: Path, name: str) -> None:
    subject, _ = take_in(open_picture(shared_data / "colour" / name))
    _, note = calibrate(subject, 1.0)
    assert note.applied
    assert note.number("difference_after") < 0.5 * note.number("difference_before")
