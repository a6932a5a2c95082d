"""Flow matching: the dense teacher learns the velocity of the latents at every noise level.

x_sigma = (1 - sigma) * x + sigma * noise; the target is noise - x (rectified flow, Liu 2022; logit-normal
sigmas, Esser 2024). Every tenth caption is empty, for classifier-free guidance (Ho 2022).
"""

import random
from pathlib import Path

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from training.config import FlowPhase
from training.dataset import CaptionedLatents
from training.networks import TEXT_LENGTH, ConditionedTransformer
from training.optimize import optimize

SHORT_TEXT_LENGTH = 32
FULL_LENGTH_CHANCE = 0.2
# Attention runs in plain matrix products: at 112 tokens the fused CPU kernel's backward pass alone costs a
# quarter of the step.
ATTENTION = SDPBackend.MATH


def train_flow(
    network: ConditionedTransformer, data: CaptionedLatents, phase: FlowPhase, device: str, state_path: Path
) -> None:
    """Train for `phase.seconds` in all, over any number of calls; `network` ends holding the average."""

    def loss_of_batch(generator: torch.Generator, rng: random.Random) -> torch.Tensor:
        tokens, captions = data.batch(phase.batch, generator, rng)
        ids, mask = network.tokenize(captions, random_text_length(rng))
        sigma = draw_sigmas(len(tokens), phase.shift, generator).to(device)
        noise = torch.randn(tokens.shape, generator=generator)
        target = (noise - tokens).to(device)
        noisy = add_noise(tokens.to(device), noise.to(device), sigma)
        with torch.autocast(device, dtype=torch.bfloat16), sdpa_kernel(ATTENTION):
            embeds = network.embed(ids.to(device), mask.to(device))
            velocity = network.velocity(noisy, sigma, embeds).float()
        return nn.functional.mse_loss(velocity, target)

    optimize(
        network,
        loss_of_batch,
        seconds=phase.seconds,
        batch=phase.batch,
        learning_rate=phase.learning_rate,
        ema_halflife=phase.ema_halflife,
        state_path=state_path,
    )


def add_noise(tokens: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Tokens and noise [B, 64, 128], sigma [B] -> (1 - sigma) * tokens + sigma * noise."""
    return torch.lerp(tokens, noise, sigma[:, None, None])


def draw_sigmas(count: int, shift: float, generator: torch.Generator) -> torch.Tensor:
    """Logit-normal noise levels [count] in 0..1, shifted towards noise."""
    sigma = torch.sigmoid(torch.randn(count, generator=generator))
    return shift * sigma / (1 + (shift - 1) * sigma)


def random_text_length(rng: random.Random) -> int:
    """Mostly short (padding costs as much as words), sometimes the full length the pipeline pads to."""
    return TEXT_LENGTH if rng.random() < FULL_LENGTH_CHANCE else SHORT_TEXT_LENGTH
