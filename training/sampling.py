"""Drawing latents with the training classes: four Euler steps without guidance, or many with it."""

from collections.abc import Sequence

import torch
from torch.nn.attention import sdpa_kernel

from training.distil import walk
from training.flow import ATTENTION
from training.networks import SIGMAS, ConditionedTransformer


@torch.no_grad()
def draw(
    network: ConditionedTransformer,
    prompts: list[str],
    noise: torch.Tensor,
    levels: Sequence[float] = SIGMAS,
    guidance: float = 1.0,
) -> torch.Tensor:
    """Noise [B, 64, 128] -> normalised tokens of pictures [B, 64, 128]; levels: sigmas from 1 to 0."""
    device = noise.device.type
    with torch.autocast(device, dtype=torch.bfloat16), sdpa_kernel(ATTENTION):
        embeds, empty = (
            network.embed(*(part.to(noise.device) for part in network.tokenize(texts)))
            for texts in (prompts, [""])
        )
        return walk(network, noise, embeds, levels, empty, guidance)
