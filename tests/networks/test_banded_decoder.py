from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from imagegen.networks.autoencoder import Autoencoder, AutoencoderConfig
from imagegen.networks.banded_decoder import decode_in_bands
from imagegen.weights.config import read_config


def flux2(small_decoder: bool = False) -> Autoencoder:
    """A decoder in FLUX.2's layout, four levels and attention, with weights that carry."""
    torch.manual_seed(0)
    config = AutoencoderConfig(
        block_out_channels=(8, 16, 24, 32),
        decoder_block_out_channels=(4, 8, 16, 24) if small_decoder else None,
        latent_channels=8,
        layers_per_block=1,
        norm_num_groups=4,
    )
    autoencoder = Autoencoder(config, parts=("decoder",)).eval()
    for parameter in autoencoder.parameters():
        torch.nn.init.normal_(parameter, 0.1 if parameter.ndim == 1 else 0, parameter[0].numel() ** -0.5)
    return autoencoder


def levels(one: Tensor, other: Tensor) -> float:
    """The largest difference in levels of 8-bit pixels."""
    return float((one - other).abs().max()) * 127.5


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("small_decoder", [False, True])
@torch.inference_mode()
def test_bands_give_the_whole_picture(folded: bool, small_decoder: bool) -> None:
    autoencoder = flux2(small_decoder)
    latents = torch.randn(1, 8, 11, 6) * torch.linspace(0.2, 3, 11).view(1, 1, 11, 1)
    whole = autoencoder.decode(latents)
    if folded:
        autoencoder.decoder.fold()
    banded = decode_in_bands(autoencoder, latents, band_bytes=1)
    assert banded.shape == whole.shape == (1, 3, 88, 48)
    assert levels(banded, whole) < 0.01


@torch.inference_mode()
def test_bands_of_a_quantised_decoder_are_as_near_as_it_is() -> None:
    autoencoder = flux2()
    latents = torch.randn(1, 8, 11, 6)
    exact = autoencoder.decode(latents)
    autoencoder.decoder.fold()
    autoencoder.decoder.quantize(torch.bfloat16)
    whole, banded = autoencoder.decode(latents), decode_in_bands(autoencoder, latents, band_bytes=1)
    assert banded.shape == whole.shape
    # Each band has a scale of its own, so it rounds otherwise; nothing else differs.
    assert float((banded - whole).std()) < 2 * float((whole - exact).std())


@torch.inference_mode()
def test_a_small_picture_is_one_band_and_the_same_bits() -> None:
    autoencoder = flux2()
    latents = torch.randn(1, 8, 8, 8)
    assert torch.equal(decode_in_bands(autoencoder, latents), autoencoder.decode(latents))


@torch.inference_mode()
def test_pixels_of_a_narrow_decoder_are_float32() -> None:
    autoencoder = flux2().bfloat16()
    for name in Autoencoder.WIDE:
        autoencoder.get_submodule(name).float()
    pictures = decode_in_bands(autoencoder, torch.randn(1, 8, 8, 8).bfloat16(), band_bytes=1)
    assert pictures.dtype == torch.float32


@torch.inference_mode()
def test_no_colour_shift_where_tiles_have_one() -> None:
    """The starter's decoder on latents that are plain above and lively below: tile by tile, each with
    statistics of its own, colours differ by several levels; in bands not by a hundredth."""
    folder = Path(__file__).parents[2] / "imagegen" / "starter" / "vae"
    config = read_config(AutoencoderConfig, json.loads((folder / "config.json").read_text()))
    autoencoder = Autoencoder(config, parts=("decoder",)).eval()
    stored = load_file(folder / "diffusion_pytorch_model.safetensors")
    own = autoencoder.state_dict()
    autoencoder.load_state_dict({name: stored[name].float() for name in own})
    latents = torch.randn(1, 32, 16, 8, generator=torch.Generator().manual_seed(1))
    latents[:, :, :8] *= 0.1
    whole = autoencoder.decode(latents)
    tiles = torch.cat([autoencoder.decode(half) for half in latents.chunk(2, dim=2)], dim=2)
    assert levels(tiles.mean((2, 3)), whole.mean((2, 3))) > 3
    assert levels(decode_in_bands(autoencoder, latents, band_bytes=1), whole) < 0.01
