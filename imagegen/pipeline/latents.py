"""Latents as the transformer sees them, tokens [B, S, C] in rows of the picture, and as the autoencoder does,
maps [B, C/4, 2h, 2w].

A token holds 2x2 positions of the autoencoder's map, channel by channel.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def noise(seeds: Sequence[int], channels: int, rows: int, columns: int) -> Tensor:
    """Normal noise, float32 [B, rows * columns, channels] on the CPU, each picture from its own seed.

    The numbers are those of diffusers' `prepare_latents` with one CPU generator a picture, so a picture does
    not depend on its batch.
    """
    maps = [
        torch.randn(1, channels, rows, columns, generator=torch.Generator().manual_seed(seed))
        for seed in seeds
    ]
    return torch.cat(maps).flatten(2).transpose(1, 2).contiguous()


def noised(clean: Tensor, noise: Tensor, sigma: float) -> Tensor:
    """Latents of pictures at a noise level: the straight flow's x = (1 - sigma) clean + sigma noise."""
    return (1 - sigma) * clean + sigma * noise


def to_tokens(maps: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """The autoencoder's maps [B, C/4, 2 rows, 2 columns] -> tokens [B, rows * columns, C], normalised: what
    `to_maps` undoes."""
    batch, channels, height, width = maps.shape
    folded = maps.reshape(batch, channels, height // 2, 2, width // 2, 2).permute(0, 1, 3, 5, 2, 4)
    return (folded.reshape(batch, 4 * channels, -1).transpose(1, 2) - mean) / std


def to_maps(tokens: Tensor, rows: int, columns: int, mean: Tensor, std: Tensor) -> Tensor:
    """Tokens [B, rows * columns, C], normalised -> the autoencoder's maps [B, C/4, 2 rows, 2 columns]; mean,
    std [C]."""
    batch, _, channels = tokens.shape
    folded = (tokens * std + mean).transpose(1, 2).reshape(batch, channels // 4, 2, 2, rows, columns)
    return folded.permute(0, 1, 4, 2, 5, 3).reshape(batch, channels // 4, 2 * rows, 2 * columns)
