from __future__ import annotations

import cv2
import numpy as np

from imagegen_postprocess.background.refine import guided_filter, refine
from imagegen_postprocess.planes import planes_of
from tests.imagegen_postprocess.drawn import ball
from tests.imagegen_postprocess.textured import before_a_texture


def test_the_edge_follows_the_picture() -> None:
    picture, truth = before_a_texture(ball(512))
    # What a network that sees little gives: the truth, reduced to 128 pixels and blurred.
    coarse = np.asarray(cv2.resize(truth, (128, 128), interpolation=cv2.INTER_AREA), np.float32)
    coarse = np.asarray(cv2.GaussianBlur(coarse, (0, 0), 1.5), np.float32)
    enlarged = np.asarray(cv2.resize(coarse, (512, 512)), np.float32)
    alpha = refine(picture, coarse)
    assert alpha.shape == (512, 512)
    assert alpha.dtype == np.float32
    assert np.abs(alpha - truth).mean() < 0.6 * np.abs(enlarged - truth).mean()


def test_certain_parts_stay_certain() -> None:
    picture = np.random.default_rng(1).integers(0, 255, (96, 80, 3), np.uint8)
    answer = np.zeros((96, 96), np.float32)
    answer[:, :48] = 1
    alpha = refine(picture, answer)
    assert (alpha[:, :25] == 1).all()
    assert (alpha[:, 55:] == 0).all()


def test_the_filter_is_the_least_squares_line_of_each_window() -> None:
    generator = np.random.default_rng(2)
    guide = generator.random((40, 40, 3), dtype=np.float32)
    target = np.asarray(guide @ np.array([0.5, -0.2, 0.3], np.float32) + 0.1, np.float32)
    slope, offset = guided_filter(planes_of(guide), target, 4)
    drawn = (np.stack(slope, axis=2) * guide).sum(axis=2) + offset
    assert np.abs(drawn - target).max() < 0.02  # exact but for the epsilon
