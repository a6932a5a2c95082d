from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from imagegen.networks.autoencoder import Autoencoder, AutoencoderConfig, Upsample


def test_encoder_and_decoder_equal_the_reference(tiny_checkpoint: Path) -> None:
    """Both ways go through the same weights."""
    from diffusers import AutoencoderKLFlux2

    folder = tiny_checkpoint / "vae"
    reference = AutoencoderKLFlux2.from_pretrained(folder).eval()
    config = json.loads((folder / "config.json").read_text())
    ours = Autoencoder(
        AutoencoderConfig(
            block_out_channels=tuple(config["block_out_channels"]),
            latent_channels=config["latent_channels"],
            layers_per_block=config["layers_per_block"],
            norm_num_groups=config["norm_num_groups"],
        )
    )
    state = load_file(folder / "diffusion_pytorch_model.safetensors")
    state.pop("bn.num_batches_tracked")
    ours.load_state_dict(state)
    pictures = torch.rand(2, 3, 32, 48) * 2 - 1
    with torch.inference_mode():
        latents = reference.encode(pictures).latent_dist.mode()
        torch.testing.assert_close(ours.encode(pictures), latents, rtol=1e-4, atol=1e-4)
        decoded = reference.decode(latents).sample
        torch.testing.assert_close(ours.decode(latents), decoded, rtol=1e-4, atol=1e-4)
    assert decoded.shape == pictures.shape


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.bfloat16, 2e-2)])
def test_doubling_and_convolving_is_one_transposed_convolution(dtype: torch.dtype, tolerance: float) -> None:
    upsample = Upsample(6).to(dtype)
    x = torch.randn(2, 6, 5, 7).to(dtype)
    with torch.inference_mode():
        expected = copy.deepcopy(upsample).double()(x.double())
        upsample.fold()
        found = upsample(x)
    assert upsample.is_folded
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)


def test_a_folded_decoder_makes_the_same_pictures() -> None:
    config = AutoencoderConfig(block_out_channels=(8, 8), norm_num_groups=4, latent_channels=4)
    decoder = Autoencoder(config, parts=("decoder",)).decoder
    latents = torch.randn(2, 4, 5, 6)
    with torch.inference_mode():
        expected = decoder(latents)
        decoder.fold()
        decoder.fold()
        found = decoder(latents)
    assert decoder.conv_out.stride == (2, 2)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("narrow", [torch.float32, torch.bfloat16])
def test_a_quantised_decoder_makes_nearly_the_same_pictures(narrow: torch.dtype) -> None:
    config = AutoencoderConfig(block_out_channels=(16, 32), norm_num_groups=4, latent_channels=4)
    torch.manual_seed(3)
    decoder = Autoencoder(config, parts=("decoder",)).decoder
    latents = torch.randn(1, 4, 6, 6)
    with torch.inference_mode():
        expected = decoder(latents)
        decoder.fold()
        decoder.quantize(narrow)
        found = decoder(latents)
    assert found.dtype == torch.float32
    error = float((found - expected).square().mean().sqrt() / expected.std())
    assert 0 < error < 0.03


def test_pixels_leave_a_narrow_decoder_in_float32() -> None:
    config = AutoencoderConfig(block_out_channels=(8, 8), norm_num_groups=4, latent_channels=4)
    autoencoder = Autoencoder(config, parts=("decoder",)).bfloat16()
    for name in Autoencoder.WIDE:
        autoencoder.get_submodule(name).float()
    with torch.inference_mode():
        pictures = autoencoder.decode(torch.randn(1, 4, 6, 6).bfloat16())
    assert autoencoder.dtype == torch.bfloat16
    assert pictures.dtype == torch.float32
    assert not torch.equal(pictures, pictures.bfloat16().float())


def test_builds_only_the_parts_that_are_asked_for() -> None:
    config = AutoencoderConfig(block_out_channels=(8, 8), norm_num_groups=4, mid_block_add_attention=False)
    decoder = Autoencoder(config, parts=("decoder",))
    assert not hasattr(decoder, "encoder")
    assert config.scale == 2
    assert not any("attentions" in name for name, _ in decoder.named_parameters())


@pytest.mark.parametrize(
    "wrong",
    [{"act_fn": "gelu"}, {"patch_size": (4, 4)}, {"in_channels": 4}, {"decoder_block_out_channels": (8,)}],
    ids=str,
)
def test_refuses_what_it_cannot_run(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not supported|levels"):
        AutoencoderConfig(block_out_channels=(8, 8), **wrong)  # type: ignore[arg-type]
