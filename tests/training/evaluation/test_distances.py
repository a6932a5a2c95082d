"""The kernel distance is about zero for one distribution and grows with the difference."""

import numpy as np
import pytest

from training.evaluation.distances import kernel_distance, mean_pairwise


def test_two_samples_of_one_distribution_are_about_zero_apart() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 300, 16)).astype(np.float32)
    distance, error = kernel_distance(first, second)
    assert abs(distance) < max(3 * error, 0.05)


def test_a_shift_is_seen_and_a_larger_shift_more() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(2, 300, 16)).astype(np.float32)
    near, error = kernel_distance(first, second + 0.5)
    far, _ = kernel_distance(first, second + 1.0)
    assert near > 3 * error
    assert far > near


def test_a_lost_mode_is_seen() -> None:
    rng = np.random.default_rng(3)
    modes = rng.choice([-1.0, 1.0], size=(300, 1)) + 0.1 * rng.normal(size=(300, 8))
    collapsed = 1.0 + 0.1 * rng.normal(size=(300, 8))
    assert kernel_distance(collapsed.astype(np.float32), modes.astype(np.float32))[0] > 0.1


def test_sets_smaller_than_a_subset_are_used_whole() -> None:
    rng = np.random.default_rng(4)
    few = rng.normal(size=(12, 4)).astype(np.float32)
    distance, _ = kernel_distance(few, few + 2)
    assert distance > 0


def test_mean_pairwise_of_a_line() -> None:
    points = np.array([[0.0], [1.0], [3.0]], np.float32)
    assert mean_pairwise(points) == pytest.approx(2.0)
