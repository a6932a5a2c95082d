"""taef2's decoder: a small network that draws FLUX.2's latents roughly, for pictures on their way.

Layer names are those of taef2's own file: numbered layers, eight pixels a latent, and blocks at the latents'
size that see the whole picture through a normalisation. Knows nothing of files.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SCALE = 8
"""Pixels of picture side per latent."""


class PreviewDecoder(nn.Sequential):
    """`channels` of latents, `width` channels inside (32 and 64 in taef2)."""

    def __init__(self, channels: int, width: int) -> None:
        layers: list[nn.Module] = [Clamp(), nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        for level in range(3):
            layers += [Block(width, pooled=level == 0) for _ in range(3)]
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1, bias=False)]
        super().__init__(*layers, Block(width), nn.Conv2d(width, 3, 3, padding=1))

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B, channels, h, w] -> pictures [B, 3, 8 h, 8 w], about -1..1."""
        pictures: Tensor = self(latents)
        return pictures * 2 - 1


class Block(nn.Module):
    def __init__(self, width: int, *, pooled: bool = False) -> None:
        super().__init__()
        convolutions = [nn.Conv2d(width, width, 3, padding=1) for _ in range(3)]
        first, second, third = convolutions
        self.conv = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third)
        if pooled:
            self.pool = nn.Sequential(
                nn.Conv2d(width, 4 * width, 1, bias=False),
                nn.GroupNorm(4, 4 * width),
                nn.ReLU(),
                nn.Conv2d(4 * width, width, 1, bias=False),
            )
        self.pooled = pooled

    def forward(self, x: Tensor) -> Tensor:
        if self.pooled:
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + x)


class Clamp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3
