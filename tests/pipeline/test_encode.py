from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from imagegen.errors import InvalidRequest
from imagegen.pipeline.decode import decode
from imagegen.pipeline.encode import encode
from imagegen.weights.catalog import read_card
from imagegen.weights.load import Components, load_components, load_encoder


@pytest.fixture(scope="module")
def components(tiny_checkpoint: Path) -> Components:
    return load_components(read_card(tiny_checkpoint), "cpu", torch.float32)


def picture(seed: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_gives_a_token_for_each_patch_and_the_same_ones_again(components: Components) -> None:
    encoder = load_encoder(components)
    with torch.inference_mode():
        tokens, again = (encode(encoder, picture(1)) for _ in range(2))
        other = encode(encoder, picture(2))
    multiple, channels = components.card.multiple, components.transformer.config.in_channels
    assert tokens.shape == (1, (48 // multiple) * (64 // multiple), channels)
    assert torch.equal(tokens, again)
    assert not torch.equal(tokens, other)
    assert tokens.dtype == torch.float32


def test_what_the_decoder_makes_of_it_lies_where_the_picture_lay(components: Components) -> None:
    """Random weights give nothing back, but what changes at the left changes at the left."""
    encoder = load_encoder(components)
    left = picture(1, 64, 64)
    changed = left.copy()
    changed[:, :8] = 255 - changed[:, :8]
    with torch.inference_mode():
        both = [decode(components.autoencoder, encode(encoder, each), 8, 8)[0] for each in (left, changed)]
    difference = (both[0] - both[1]).abs().mean(dim=(0, 2))
    assert difference[:16].mean() > 1.5 * difference[-16:].mean()


def test_the_encoder_has_no_decoder_and_its_dtype(components: Components) -> None:
    encoder = load_encoder(components)
    assert not hasattr(encoder, "decoder")
    assert encoder.dtype == components.autoencoder.dtype


def test_a_checkpoint_without_an_encoder_says_so(tiny_checkpoint: Path, tmp_path: Path) -> None:
    import shutil
    from dataclasses import replace

    from safetensors.torch import load_file, save_file

    folder = tmp_path / "decoder-only"
    shutil.copytree(tiny_checkpoint, folder)
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({k: v for k, v in load_file(file).items() if not k.startswith("encoder.")}, file)
    components = load_components(read_card(folder), "cpu")
    with pytest.raises(InvalidRequest, match="from words only") as refusal:
        load_encoder(replace(components))
    assert refusal.value.field == "model"
