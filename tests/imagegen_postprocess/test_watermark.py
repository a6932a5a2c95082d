"""The watermark: not to be seen, found again after what shops do to pictures, and nowhere else."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from imagegen_postprocess import Recipe, detect_watermark, embed_watermark, finish
from tests.imagegen_postprocess.drawn import bag, photograph, shoe

SIDE = 640


@pytest.fixture(scope="module")
def plain() -> Image.Image:
    photo = photograph(bag(256), (240, 240, 238), noise=2)
    return finish(photo, Recipe(width=SIDE, height=SIDE)).picture


@pytest.fixture(scope="module")
def marked(plain: Image.Image) -> Image.Image:
    return embed_watermark(plain)


def as_jpeg(picture: Image.Image, quality: int = 80) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "jpeg", quality=quality)
    return Image.open(buffer)


def resized(picture: Image.Image, by: float) -> Image.Image:
    return picture.resize((round(picture.width * by), round(picture.height * by)), Image.Resampling.LANCZOS)


def cropped(picture: Image.Image) -> Image.Image:
    return picture.crop((23, 41, picture.width - 41, picture.height - 23))  # a tenth of each side


def test_it_is_found_in_what_was_marked_and_nowhere_else(plain: Image.Image, marked: Image.Image) -> None:
    assert detect_watermark(marked).found
    assert detect_watermark(marked).scale == pytest.approx(1, abs=0.01)
    assert not detect_watermark(plain).found


@pytest.mark.parametrize("by", [0.5, 0.83, 1.5])
def test_it_survives_resizing_cropping_and_jpeg_together(marked: Image.Image, by: float) -> None:
    found = detect_watermark(as_jpeg(resized(cropped(marked), by)))
    assert found.found
    assert found.scale == pytest.approx(by, rel=0.02)


def test_it_cannot_be_seen(plain: Image.Image, marked: Image.Image) -> None:
    before, after = np.asarray(plain, np.float32), np.asarray(marked, np.float32)
    product = (np.asarray(plain) != 255).any(axis=-1)
    error = ((after - before)[product] ** 2).mean()
    assert 10 * np.log10(255**2 / error) > 42  # on the product alone
    assert np.abs(after - before).max() <= 10


def test_the_background_stays_what_a_marketplace_asks_for(plain: Image.Image, marked: Image.Image) -> None:
    background = (np.asarray(plain) == 255).all(axis=-1)
    assert (np.asarray(marked)[background] == 255).all()


def test_alpha_and_what_is_translucent_stay_as_they_are() -> None:
    photo = photograph(bag(256), (240, 240, 238), noise=2)
    cut = finish(photo, Recipe(background="transparent", width=512, height=512)).picture
    marked = embed_watermark(cut)
    before, after = np.asarray(cut), np.asarray(marked)
    assert (before[..., 3] == after[..., 3]).all()
    assert (before[before[..., 3] < 255] == after[before[..., 3] < 255]).all()
    over_white = Image.alpha_composite(Image.new("RGBA", marked.size, "white"), marked)
    assert detect_watermark(over_white.convert("RGB")).found


def test_the_same_picture_is_marked_the_same(plain: Image.Image, marked: Image.Image) -> None:
    assert np.array_equal(np.asarray(embed_watermark(plain)), np.asarray(marked))


def test_no_code_value_wraps_around() -> None:
    rng = np.random.default_rng(0)
    extremes = Image.fromarray(rng.choice(np.array([0, 255], np.uint8), (256, 256, 3)))
    change = np.asarray(embed_watermark(extremes), np.int16) - np.asarray(extremes, np.int16)
    assert np.abs(change).max() <= 10


def test_a_small_picture_has_no_room_and_is_left_alone() -> None:
    small = photograph(shoe(128))
    assert embed_watermark(small) is small
    assert not detect_watermark(small.resize((64, 64))).found


@pytest.mark.parametrize("kind", ["noise", "weave", "flat", "gradient"])
def test_patterns_of_cloth_and_noise_are_no_watermark(kind: str) -> None:
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:512, :512]
    plane = {
        "noise": cv2.GaussianBlur(rng.normal(128, 60, (512, 512)), (0, 0), 3),
        "weave": 128 + 50 * np.sin(columns / 2.5) * np.sin(rows / 3.1),
        "flat": np.full((512, 512), 255.0),
        "gradient": columns / 2.0,
    }[kind]
    picture = Image.fromarray(np.clip(plane, 0, 255).astype(np.uint8))
    assert not detect_watermark(picture).found
