"""Latents of a picture to its pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from imagegen.networks.autoencoder import Autoencoder
from imagegen.networks.banded_decoder import decode_in_bands
from imagegen.networks.preview_decoder import SCALE, PreviewDecoder
from imagegen.pipeline.latents import to_maps


def decode(autoencoder: Autoencoder, latents: Tensor, rows: int, columns: int) -> Tensor:
    """Tokens [B, rows * columns, C] -> pictures, float32 [B, H, W, 3] in 0..1.

    One picture at a time, and a large one in bands: a batch would multiply the memory of the largest level,
    and on a CPU it gains nothing.
    """
    maps = to_maps(latents, rows, columns, autoencoder.bn.mean, autoencoder.bn.std).to(autoencoder.dtype)
    pictures = torch.cat([decode_in_bands(autoencoder, single) for single in maps.unsqueeze(1)])
    return (pictures.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)


def sketch(
    decoder: PreviewDecoder, autoencoder: Autoencoder, latents: Tensor, rows: int, columns: int
) -> Tensor:
    """As `decode`, roughly: by a small network in place of the autoencoder's own, which knows the latents'
    statistics; resampled where that makes pictures of another size."""
    maps = to_maps(latents, rows, columns, autoencoder.bn.mean, autoencoder.bn.std)
    pictures = decoder.decode(maps.float())
    if autoencoder.config.scale != SCALE:
        factor = autoencoder.config.scale / SCALE
        pictures = interpolate(pictures, scale_factor=factor, mode="bilinear", antialias=factor < 1)
    return (pictures / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)


def to_uint8(pictures: Tensor) -> Tensor:
    """0..1 -> 0..255, rounded to nearest."""
    return (pictures * 255).round().to(torch.uint8)
