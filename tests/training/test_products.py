"""Photos become centred squares on pure white; colourways stay on one side of the split."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.products import MARGIN, is_held_out, square_on_white


def encoded(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_an_off_centre_product_is_centred_and_the_border_is_white() -> None:
    photo = np.full((80, 60, 3), 240, np.uint8)
    photo[10:30, 5:45] = (200, 30, 30)
    square = square_on_white(encoded(photo), 128)
    assert square is not None
    assert square.shape == (128, 128, 3)
    assert (square[0] == 255).all()
    rows, columns = np.nonzero(square[..., 1] < 128)
    margin = round(128 * MARGIN)
    assert abs(int(columns.min()) - margin) <= 2
    assert abs(int(columns.max()) - (127 - margin)) <= 2
    assert abs(int(rows.min() + rows.max()) - 127) <= 2


def test_a_dark_background_is_refused() -> None:
    assert square_on_white(encoded(np.full((80, 60, 3), 90, np.uint8)), 64) is None


def test_an_empty_photo_is_refused() -> None:
    assert square_on_white(encoded(np.full((80, 60, 3), 255, np.uint8)), 64) is None


def test_colourways_fall_on_the_same_side() -> None:
    for number in range(200):
        sides = {
            is_held_out({"title": f"Model {number} {colour} Shoe", "colour": colour})
            for colour in ("red", "blue", "navy blue")
        }
        assert len(sides) == 1


def test_about_one_in_twenty_is_held_out() -> None:
    held_out = sum(is_held_out({"title": f"Model {number}", "colour": ""}) for number in range(4000))
    assert 0.04 < held_out / 4000 < 0.06
