from __future__ import annotations

import numpy as np
import pytest

from imagegen_postprocess.background.backdrop import fit_backdrop, refit_backdrop
from imagegen_postprocess.colour.linear import to_lab
from tests.imagegen_postprocess.drawn import bag, photograph


def sloping(height: int = 96, width: int = 128) -> np.ndarray:
    """A Lab backdrop that falls off to the right and bends downwards."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.stack([80 - 4 * x - 3 * y * y, 1 + 0 * x, 4 + x], axis=-1).astype(np.float32)


def test_the_surface_of_an_uneven_backdrop_is_found() -> None:
    truth = sloping()
    seen = truth + np.random.default_rng(1).normal(0, 0.5, truth.shape).astype(np.float32)
    seen[30:70, 40:90] = (40, 30, 10)
    backdrop = fit_backdrop(seen)
    assert np.abs(backdrop.surface - truth).mean() < 0.3
    assert backdrop.noise == pytest.approx(0.5, rel=0.2)
    assert backdrop.drift < 0.01
    assert backdrop.touched == 0


def test_knowing_more_background_makes_it_steadier() -> None:
    truth = sloping()
    seen = truth + np.random.default_rng(2).normal(0, 1.5, truth.shape).astype(np.float32)
    first = fit_backdrop(seen)
    again = refit_backdrop(seen, np.ones(truth.shape[:2], bool), first)
    assert np.abs(again.surface - truth).mean() < np.abs(first.surface - truth).mean()
    nothing = refit_backdrop(seen, np.zeros(truth.shape[:2], bool), first)
    assert nothing is first


def test_a_product_that_fills_a_side_and_a_half_is_not_taken_for_the_backdrop() -> None:
    seen = np.full((100, 100, 3), (92, 0, 2), np.float32)
    seen[40:, 30:] = (35, 20, -30)
    backdrop = fit_backdrop(seen)
    assert backdrop.surface[0, 0] == pytest.approx([92, 0, 2], abs=0.5)
    assert 0.2 < backdrop.touched < 0.4
    assert backdrop.drift == 0


def test_a_patterned_border_drifts() -> None:
    tiles = np.kron(np.random.default_rng(4).uniform(50, 90, (10, 10)), np.ones((10, 10)))
    seen = np.stack([tiles, 0 * tiles, 0 * tiles], axis=-1).astype(np.float32)
    backdrop = fit_backdrop(seen)
    assert backdrop.drift > 0.12 or backdrop.touched > 0.45 or backdrop.noise > 4.5


def test_distance_is_delta_e() -> None:
    picture = photograph(bag(64), (240, 240, 240))
    lab = to_lab(np.asarray(picture))
    backdrop = fit_backdrop(lab)
    distance = backdrop.distance(lab)
    assert distance[0, 0] < 0.2
    assert distance[45, 20] == pytest.approx(np.linalg.norm(lab[45, 20] - lab[0, 0]), abs=0.2)
    assert backdrop.lightness == pytest.approx(lab[0, 0, 0], abs=0.2)
    assert backdrop.chroma < 0.2
    assert backdrop.light()[3, 3] == pytest.approx(0.8714, abs=3e-3)
