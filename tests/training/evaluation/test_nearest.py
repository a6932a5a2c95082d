"""A copy among the training photos is found, even when it is lightened."""

import numpy as np
from numpy.typing import NDArray

from training.evaluation.nearest import Archive, Descriptors, low_colours


def blocks(count: int, seed: int) -> NDArray[np.uint8]:
    """Random pictures of 8x8 coloured blocks."""
    small = np.random.default_rng(seed).integers(0, 250, (count, 8, 8, 3), dtype=np.uint8)
    return small.repeat(8, axis=1).repeat(8, axis=2)


def described(pixels: NDArray[np.uint8]) -> Descriptors:
    """Column and row means stand in for a classifier's features."""
    features = np.concatenate([pixels.mean((1, 3)), pixels.mean((2, 3))], axis=1) / 255
    return Descriptors(low_colours(pixels), features.astype(np.float32))


def test_planted_copies_are_found_and_nearer_than_strangers() -> None:
    seen, unseen = blocks(60, 0), blocks(20, 1)
    archive = Archive(described(seen), described(unseen))
    copies = seen[[7, 42]] + np.uint8(5)
    found = archive.nearest(described(copies))
    assert found.rows.tolist() == [7, 42]
    assert found.distances.max() < 0.5 * archive.nearest(described(unseen)).distances.min()


def test_an_unseen_photo_is_about_two_away() -> None:
    seen, unseen = described(blocks(40, 2)), described(blocks(40, 3))
    distances = Archive(seen, unseen).nearest(unseen).distances
    assert 1.5 < np.median(distances) < 3


def test_low_colours_are_root_mean_square() -> None:
    black, white = np.zeros((1, 64, 64, 3), np.uint8), np.full((1, 64, 64, 3), 255, np.uint8)
    distance = np.linalg.norm(low_colours(white) - low_colours(black))
    assert abs(distance - 1) < 1e-3
