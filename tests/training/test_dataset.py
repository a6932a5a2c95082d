"""What a training batch is drawn from: one split of the shards, checked labels, rare things more often."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from training.dataset import EVENNESS, FEWEST, SHARP, CaptionedLatents, Statistics, sampling_weights


def record(
    item: str, colour: str, *, width: int = 224, split: str = "train", measured: str = ""
) -> dict[str, str]:
    nothing = dict.fromkeys(("material", "pattern", "gender", "usage"), "")
    return {
        "item": item, "colour": colour, "width": str(width), "split": split,
        "measured": measured or colour, **nothing,
    }  # fmt: skip


def write_shard(cache: Path, records: list[dict[str, str]]) -> None:
    latents = np.random.default_rng(0).normal(size=(len(records), 32, 16, 16)).astype(np.float16)
    np.savez(cache / "photos-000.npz", latents=latents, records=np.array(json.dumps(records)))


def test_only_the_split_with_labels_that_the_photos_confirm(tmp_path: Path) -> None:
    write_shard(
        tmp_path,
        [
            record("cap", "red", measured="pink"),
            record("cap", "red", split="held-out"),
            record("belt", "black"),
        ],
    )
    data = CaptionedLatents(tmp_path, "train")
    assert [(row["item"], row["colour"]) for row in data.attributes] == [("cap", "pink"), ("belt", "black")]
    assert data.tokens.shape == (2, 64, 128)
    assert data.tokens.float().mean().abs() < 0.01


def test_given_statistics_are_the_ones_used(tmp_path: Path) -> None:
    write_shard(tmp_path, [record("cap", "red")])
    half = Statistics(torch.zeros(128), torch.full((128,), 4.0))
    raw = CaptionedLatents(tmp_path, "train", Statistics(torch.zeros(128), torch.ones(128)))
    data = CaptionedLatents(tmp_path, "train", half)
    assert data.statistics is half
    assert torch.allclose(data.tokens.float() * 2, raw.tokens.float(), atol=2e-2)


def test_rare_items_and_colours_are_drawn_more_often_than_they_occur() -> None:
    photos = (
        [record("cap", "black")] * 960 + [record("ring", "red")] * 30 + [record("cap", "black", width=60)]
    )
    common, rare, thumbnail = (sampling_weights(photos)[row] for row in (0, 970, -1))
    assert common / thumbnail == pytest.approx(SHARP)
    assert rare / common == pytest.approx((961 / 30) ** (2 * EVENNESS))


def test_a_single_photo_is_not_drawn_for_a_whole_item() -> None:
    photos = [record("ring", "red")] * FEWEST + [record("lemon", "yellow")]
    weights = sampling_weights(photos)
    assert weights[-1] == pytest.approx(weights[0])
