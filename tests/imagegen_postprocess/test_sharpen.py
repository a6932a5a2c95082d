"""Sharpening: edges, not noise, and not the background."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from imagegen_postprocess import Recipe, finish
from imagegen_postprocess.canvas.sharpen import sharpen
from tests.imagegen_postprocess.drawn import bag, photograph


def soft() -> Image.Image:
    pixels = np.full((128, 128, 3), 255, np.uint8)
    pixels[20:108, 20:108] = 90
    pixels[50:80, 50:80] = 160
    pixels[20:108, 20:108] = cv2.GaussianBlur(pixels, (0, 0), 1.5)[20:108, 20:108]
    return Image.fromarray(pixels)


def contrast(picture: Image.Image) -> float:
    return float(np.asarray(picture, np.float32)[65, 44:56, 0].std())


def test_an_edge_inside_the_product_gets_more_contrast_with_the_strength() -> None:
    half, whole = sharpen(soft(), 0.5)[0], sharpen(soft(), 1.0)[0]
    assert contrast(soft()) < contrast(half) < contrast(whole)


def test_the_background_keeps_its_colour() -> None:
    done = np.asarray(sharpen(soft(), 1.0)[0])
    background = (np.asarray(soft()) == 255).all(axis=-1)
    assert (done[background] == 255).all()
    cut = finish(photograph(bag(128), (220, 220, 220)), Recipe(background="transparent")).picture
    before, after = np.asarray(cut), np.asarray(sharpen(cut, 1.0)[0])
    assert (before[..., 3] == after[..., 3]).all()


def test_noise_is_hardly_made_louder() -> None:
    rng = np.random.default_rng(0)
    flat = np.full((128, 128, 3), 255, np.float32)
    flat[10:118, 10:118] = 120 + rng.normal(0, 5, (108, 108))[..., None]
    noisy = Image.fromarray(np.clip(np.rint(flat), 0, 255).astype(np.uint8))
    before = np.asarray(noisy, np.float32)[14:114, 14:114].std()
    after = np.asarray(sharpen(noisy, 1.0)[0], np.float32)[14:114, 14:114].std()
    assert after < 1.15 * before


def test_strength_nought_changes_nothing() -> None:
    picture = soft()
    same, note = sharpen(picture, 0.0)
    assert same is picture
    assert not note.applied
