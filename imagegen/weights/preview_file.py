"""The optional file beside a model's folders that draws its pictures on their way quickly."""

from __future__ import annotations

from pathlib import Path

import torch

from imagegen.errors import CheckpointInvalid
from imagegen.networks.autoencoder import AutoencoderConfig
from imagegen.networks.preview_decoder import PreviewDecoder
from imagegen.weights.catalog import ModelCard
from imagegen.weights.config import read_config
from imagegen.weights.locate import read_json, safetensors_file

FILE = "preview_decoder.safetensors"


def load_preview_decoder(card: ModelCard, device: torch.device) -> PreviewDecoder | None:
    """taef2's decoder in float32, or None where the model has no such file.

    Raises CheckpointInvalid naming the file and what of it is missing, left over or misshapen.
    """
    path = card.path / FILE
    if not path.is_file():
        return None
    vae = read_config(AutoencoderConfig, read_json(card.path / "vae" / "config.json"))
    return read_preview_decoder(path, vae).to(device).eval().requires_grad_(False)


def read_preview_decoder(path: Path, vae: AutoencoderConfig) -> PreviewDecoder:
    """The decoder in `path`, for the latents of that autoencoder.

    Raises CheckpointInvalid as `load_preview_decoder` does, and for one that is made for other latents.
    """
    hint = "expected taef2's decoder"
    files = safetensors_file(path)
    state = {name: files.read(name).float() for name in files}
    first = state.get("1.weight")
    if first is None or first.ndim != 4:
        raise CheckpointInvalid("lacks the tensor 1.weight", field=str(path), hint=hint)
    if first.shape[1] != vae.latent_channels:
        raise CheckpointInvalid(
            f"draws latents of {first.shape[1]} channels, the model's have {vae.latent_channels}",
            field=str(path),
            hint=hint,
        )
    with torch.device("meta"):
        decoder = PreviewDecoder(first.shape[1], first.shape[0])
    try:
        decoder.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise CheckpointInvalid(str(error), field=str(path), hint=hint) from error
    return decoder
