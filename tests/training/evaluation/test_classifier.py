"""The classifier learns toy items, stops and goes on, and takes white for background."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.evaluation.classifier import as_darkness, augment, train_classifier
from training.evaluation.photos import Photos


def toys(count: int) -> Photos:
    """Upright bars are "belt", lying ones "tie"."""
    rng = np.random.default_rng(0)
    pixels: NDArray[np.uint8] = np.full((count, 64, 64, 3), 255, np.uint8)
    records = []
    for row in range(count):
        colour = rng.integers(0, 200, 3)
        if row % 2:
            pixels[row, 28:36, 6:58] = colour
        else:
            pixels[row, 6:58, 28:36] = colour
        records.append({"id": str(row), "split": "train", "item": ("belt", "tie")[row % 2], "width": "224"})
    return Photos(pixels, records)


def test_it_learns_and_a_finished_state_is_free(tmp_path: Path) -> None:
    photos, state = toys(40), tmp_path / "classifier.pt"
    half = train_classifier(photos, state, samples=20 * 16, batch=16)
    assert half.items == ("belt", "tie")
    whole = train_classifier(photos, state, samples=40 * 16, batch=16)
    shares, features = whole.judge(photos.pixels)
    truth = [record["item"] for record in photos.records]
    assert [whole.items[number] for number in shares.argmax(1)] == truth
    assert features.shape == (40, 256)
    written = state.stat().st_mtime_ns
    again = train_classifier(photos, state, samples=40 * 16, batch=16)
    assert state.stat().st_mtime_ns == written
    assert np.array_equal(again.judge(photos.pixels)[0], shares)


def test_rare_items_are_no_class(tmp_path: Path) -> None:
    photos = toys(40)
    photos.records[0]["item"] = "lipstick"
    assert "lipstick" not in train_classifier(photos, tmp_path / "c.pt", samples=16, batch=16).items


def test_augmentation_keeps_the_background_white() -> None:
    darkness = as_darkness(toys(8).pixels)
    changed = augment(darkness, torch.Generator().manual_seed(0))
    assert changed.shape == darkness.shape
    assert changed[:, :, 0, 0].abs().max() == 0
    assert (changed - darkness).abs().mean() > 0.01
