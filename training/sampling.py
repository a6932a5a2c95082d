"""Drawing latents with the training classes, four Euler steps, no guidance."""

from itertools import pairwise

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from training.networks import SIGMAS, ConditionedTransformer


@torch.no_grad()
def draw(network: ConditionedTransformer, prompts: list[str], noise: torch.Tensor) -> torch.Tensor:
    """Noise [B, 64, 128] -> normalised tokens of pictures [B, 64, 128]."""
    tokens = noise
    with torch.autocast(noise.device.type, dtype=torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        embeds = network.embed(*(part.to(noise.device) for part in network.tokenize(prompts)))
        for start, end in pairwise(SIGMAS):
            sigma = torch.full((len(noise),), start, device=noise.device)
            tokens = tokens + (end - start) * network.velocity(tokens, sigma, embeds).float()
    return tokens
