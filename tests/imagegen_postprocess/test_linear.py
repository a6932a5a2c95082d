from __future__ import annotations

import numpy as np
import pytest

from imagegen_postprocess.colour.linear import (
    apply_gains,
    decode,
    encode,
    lab_to_light,
    to_lab,
    to_light,
    to_pixels,
)

CODES = np.arange(256, dtype=np.uint8)


def test_every_code_survives_the_way_there_and_back() -> None:
    assert (to_pixels(to_light(CODES)) == CODES).all()


def test_the_curve_is_the_standard_s() -> None:
    # IEC 61966-2-1: the break at 0.04045, and sRGB 188 carries just half the light of 255.
    assert decode(np.array([0.04045], np.float32))[0] == pytest.approx(0.04045 / 12.92, rel=1e-5)
    assert to_light(np.array([188], np.uint8))[0] == pytest.approx(0.5028865, abs=1e-5)
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    assert np.abs(encode(decode(values)) - values).max() < 1e-5


def test_light_outside_the_range_is_clipped() -> None:
    assert to_pixels(np.array([-1, 0, 1, 7], np.float32)).tolist() == [0, 0, 255, 255]


def test_gains_multiply_light() -> None:
    picture = np.full((4, 5, 3), 188, np.uint8)
    gained = apply_gains(picture, (0.5, 1.0, 4.0))
    assert gained.shape == picture.shape
    assert to_light(gained)[0, 0, 0] == pytest.approx(0.2514, abs=3e-3)
    assert gained[0, 0, 1] == 188
    assert gained[0, 0, 2] == 255


def test_lab_is_cie_lab_of_d65() -> None:
    lab = to_lab(np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0]]], np.uint8))
    # The last is the published value of the sRGB red primary.
    assert lab[0] == pytest.approx(np.array([[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20]]), abs=0.1)
    assert lab_to_light(lab)[0, 2] == pytest.approx([1, 0, 0], abs=2e-3)


def test_tables_are_read_in_any_shape() -> None:
    codes = np.arange(256, dtype=np.uint8)
    light = to_light(codes)
    for shape in ((256,), (64, 4), (8, 8, 4), (2, 4, 8, 4)):
        assert (to_light(codes.reshape(shape)) == light.reshape(shape)).all()
        assert (to_pixels(light.reshape(shape)) == codes.reshape(shape)).all()
    assert (to_light(codes.reshape(16, 16)[::2, 1::2]) == light.reshape(16, 16)[::2, 1::2]).all()
    assert (
        to_light(np.empty((0, 3), np.uint8)).shape == to_pixels(np.empty((0, 3), np.float32)).shape == (0, 3)
    )
