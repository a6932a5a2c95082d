"""The preview decoder is taef2's, and is used only for what is shown on the way."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from imagegen.errors import CheckpointInvalid
from imagegen.networks.preview_decoder import SCALE, PreviewDecoder
from imagegen.pipeline.text_to_image import TextToImage
from imagegen.weights.catalog import read_card
from imagegen.weights.load import load_components
from imagegen.weights.preview_file import FILE, load_preview_decoder

CPU = torch.device("cpu")


@pytest.fixture
def model(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """The miniature with a random preview decoder of its latents' 8 channels."""
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "model"))
    torch.manual_seed(0)
    save_file(PreviewDecoder(8, 8).half().state_dict(), folder / FILE)
    return folder


def test_it_is_taef2s_layer_for_layer() -> None:
    from training.taef2 import _decoder

    reference = _decoder().eval()
    ours = PreviewDecoder(32, 64).eval()
    ours.load_state_dict(reference.state_dict())
    latents = torch.randn(1, 32, 4, 6)
    with torch.inference_mode():
        pictures = ours.decode(latents)
        torch.testing.assert_close(pictures, reference(latents) * 2 - 1)
    assert pictures.shape == (1, 3, 4 * SCALE, 6 * SCALE)


def test_previews_come_from_it_and_the_picture_does_not(model: Path, tiny_checkpoint: Path) -> None:
    made = {}
    for folder in (tiny_checkpoint, model):
        seen: list[np.ndarray] = []
        pipeline = TextToImage(load_components(read_card(folder), "cpu"))
        batch = pipeline.generate(
            ["bag"],
            [3],
            64,
            48,
            2,
            previews={0: (1,)},
            on_preview=lambda *found, into=seen: into.append(found[2]),
        )
        made[folder] = (batch.pictures[0].picture, seen[0])
    (plain, full), (same, rough) = made.values()
    assert np.array_equal(plain, same)
    assert rough.shape == full.shape == (48, 64, 3)
    assert rough.dtype == np.uint8
    assert not np.array_equal(rough, full)


def test_without_the_file_there_is_none(tiny_checkpoint: Path) -> None:
    assert load_preview_decoder(read_card(tiny_checkpoint), CPU) is None


@pytest.mark.parametrize("change", ["1.weight", "4.conv.2.bias", "18.conv.4.weight"])
def test_a_file_that_is_something_else_is_named(model: Path, change: str) -> None:
    state = PreviewDecoder(8, 8).state_dict()
    del state[change]
    save_file(state, model / FILE)
    with pytest.raises(CheckpointInvalid, match=change) as refused:
        load_preview_decoder(read_card(model), CPU)
    assert FILE in str(refused.value)
    (model / FILE).write_bytes(b"torn")
    with pytest.raises(CheckpointInvalid, match="safetensors"):
        load_preview_decoder(read_card(model), CPU)
