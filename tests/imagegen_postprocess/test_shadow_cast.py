"""Shadows for what was cut out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from imagegen_postprocess import Recipe, finish
from imagegen_postprocess.canvas.shadow import cast_shadow
from tests.imagegen_postprocess.drawn import bag, photograph


@pytest.mark.parametrize("kind", ["contact", "drop"])
def test_a_shadow_is_soft_grey_and_near_the_product(kind: str) -> None:
    photo = photograph(bag(192), (232, 232, 232))
    plain = np.asarray(finish(photo, Recipe(width=200, height=200)).picture, np.int16)
    finished = finish(photo, Recipe(width=200, height=200, shadow=kind))
    shaded = np.asarray(finished.picture, np.int16)
    background = (plain == 255).all(axis=-1)
    darkened = (shaded[..., 0] < 255) & background
    assert darkened.sum() > 100
    assert np.ptp(shaded[darkened], axis=1).max() <= 1  # grey
    assert (shaded[:4] == 255).all()
    inside = cv2.erode((~background).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert np.abs(shaded[inside] - plain[inside]).max() <= 1  # rounding, where alpha is a shade below 1
    assert finished.report["canvas"].detail["shadow"] == kind


def test_a_contact_shadow_lies_at_the_feet() -> None:
    alpha = np.zeros((100, 100), np.float32)
    alpha[20:80, 30:70] = 1
    loss = cast_shadow(alpha, "contact")
    rows = loss.sum(axis=1)
    assert 74 <= int(rows.argmax()) <= 84
    assert loss[:50].max() < 0.01
    assert not cast_shadow(alpha, "none").any()
    assert not cast_shadow(np.zeros((50, 50), np.float32), "contact").any()


def test_on_transparency_the_shadow_is_black_that_covers() -> None:
    photo = photograph(bag(192), (232, 232, 232))
    recipe = Recipe(width=200, height=200, background="transparent", shadow="drop")
    pixels = np.asarray(finish(photo, recipe).picture)
    faint = (pixels[..., 3] > 5) & (pixels[..., 3] < 60)
    assert faint.sum() > 100
    assert np.median(pixels[faint][:, :3]) < 40
    over = 255 * (1 - pixels[..., 3:] / 255.0) + pixels[..., :3] * (pixels[..., 3:] / 255.0)
    on_white = np.asarray(finish(photo, Recipe(width=200, height=200, shadow="drop")).picture)
    assert np.abs(over - on_white).mean() < 3
