"""taef2, the tiny autoencoder of the FLUX.2 latent space (MIT), as plain modules for its two weight files.

Knows nothing about the starter: it only supplies the latents the starter's own autoencoder learns to speak.
Layout read off the state dicts: numbered Sequential layers, 64 channels throughout, f8, 32 latent channels;
the blocks at latent resolution carry a GroupNorm "pool" branch.
"""

from pathlib import Path

import torch
from torch import nn

WIDTH = 64
LATENT_CHANNELS = 32


class _Block(nn.Module):
    def __init__(self, pooled: bool = False) -> None:
        super().__init__()
        convs: list[nn.Module] = []
        for _ in range(3):
            convs += [nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.ReLU()]
        self.conv = nn.Sequential(*convs[:-1])
        self.pool: nn.Module | None = None
        if pooled:
            self.pool = nn.Sequential(
                nn.Conv2d(WIDTH, 4 * WIDTH, 1, bias=False),
                nn.GroupNorm(4, 4 * WIDTH),
                nn.ReLU(),
                nn.Conv2d(4 * WIDTH, WIDTH, 1, bias=False),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.pool is not None:
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + x)


class _Clamp(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x / 3) * 3


def _encoder() -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(3, WIDTH, 3, padding=1), _Block()]
    for level in range(3):
        layers.append(nn.Conv2d(WIDTH, WIDTH, 3, stride=2, padding=1, bias=False))
        layers += [_Block(pooled=level == 2) for _ in range(3)]
    return nn.Sequential(*layers, nn.Conv2d(WIDTH, LATENT_CHANNELS, 3, padding=1))


def _decoder() -> nn.Sequential:
    layers: list[nn.Module] = [_Clamp(), nn.Conv2d(LATENT_CHANNELS, WIDTH, 3, padding=1), nn.ReLU()]
    for level in range(3):
        layers += [_Block(pooled=level == 0) for _ in range(3)]
        layers += [nn.Upsample(scale_factor=2), nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False)]
    return nn.Sequential(*layers, _Block(), nn.Conv2d(WIDTH, 3, 3, padding=1))


def load_encoder(path: Path) -> nn.Module:
    """The encoder: [B, 3, H, W] pictures in 0..1 -> [B, 32, H/8, W/8] raw FLUX.2 latents."""
    return _load(_encoder(), path)


def load_decoder(path: Path) -> nn.Module:
    """The decoder: [B, 32, h, w] raw latents -> [B, 3, 8h, 8w] pictures, about 0..1."""
    return _load(_decoder(), path)


def decoder_features(decoder: nn.Module, latents: torch.Tensor, levels: int) -> list[torch.Tensor]:
    """What `load_decoder`'s network holds after each of its first `levels` (up to 3) upsamplings.

    Latents [B, 32, h, w] -> features [B, 64, 2h, 2w], [B, 64, 4h, 4w], ...; it runs no further than needed.
    """
    features: list[torch.Tensor] = []
    hidden, layers = latents, iter(decoder.children())
    while len(features) < levels:
        layer = next(layers)
        hidden = layer(hidden)
        if isinstance(layer, nn.Upsample):
            hidden = next(layers)(hidden)
            features.append(hidden)
    return features


def _load(module: nn.Module, path: Path) -> nn.Module:
    module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return module.float().eval().requires_grad_(False)
