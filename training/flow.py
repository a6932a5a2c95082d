"""Phases 3 and 4: flow matching, first dense, then ternary with guidance trained in.

x_sigma = (1 - sigma) * x + sigma * noise; the target is noise - x (rectified flow, Liu 2022; logit-normal
sigmas, Esser 2024). Every tenth caption is empty. With guidance s > 1 the target moves by
(1 - 1/s) * (v(caption) - v(empty)), the model's own and detached: its fixed point is the velocity that
classifier-free guidance of scale s would give (model guidance, Tang 2025), in one pass at run time.
"""

import random
from pathlib import Path

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from training.config import FlowPhase
from training.dataset import CaptionedLatents
from training.networks import SIGMAS, TEXT_LENGTH, ConditionedTransformer
from training.optimize import optimize

SHORT_TEXT_LENGTH = 32
FULL_LENGTH_CHANCE = 0.3
STEP_CHANCES = (0.15, 0.25, 0.3, 0.3)


def train_flow(
    network: ConditionedTransformer, data: CaptionedLatents, phase: FlowPhase, device: str, state_path: Path
) -> None:
    """Train for `phase.seconds` in all, over any number of calls; `network` ends holding the average."""
    # Attention runs in plain matrix products: at 112 tokens the fused CPU kernel's backward pass alone
    # costs a quarter of the step.
    plain_attention = SDPBackend.MATH

    def loss_of_batch(generator: torch.Generator, rng: random.Random) -> torch.Tensor:
        tokens, captions = data.batch(phase.batch, generator, rng)
        length = random_text_length(rng)
        ids, mask = network.tokenize(captions, length)
        sigma = draw_sigmas(len(tokens), phase, generator).to(device)
        noise = torch.randn(tokens.shape, generator=generator)
        target = (noise - tokens).to(device)
        mix = sigma[:, None, None]
        noisy = (1 - mix) * tokens.to(device) + mix * noise.to(device)
        with torch.autocast(device, dtype=torch.bfloat16), sdpa_kernel(plain_attention):
            embeds = network.embed(ids.to(device), mask.to(device))
            velocity = network.velocity(noisy, sigma, embeds).float()
            if phase.guidance > 1:
                with torch.no_grad():
                    empty = network.embed(*(part.to(device) for part in network.tokenize([""], length)))
                    free = network.velocity(noisy, sigma, empty.expand(len(tokens), -1, -1)).float()
                captioned = torch.tensor([text != "" for text in captions], device=device)[:, None, None]
                target = target + captioned * (1 - 1 / phase.guidance) * (velocity.detach() - free)
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


def draw_sigmas(count: int, phase: FlowPhase, generator: torch.Generator) -> torch.Tensor:
    """Noise levels [count]: the four that inference visits, or logit-normal ones, shifted towards noise."""
    if phase.few_step:
        steps = torch.multinomial(torch.tensor(STEP_CHANCES), count, replacement=True, generator=generator)
        return torch.tensor(SIGMAS)[steps]
    sigma = torch.sigmoid(torch.randn(count, generator=generator))
    return phase.shift * sigma / (1 + (phase.shift - 1) * sigma)


def random_text_length(rng: random.Random) -> int:
    """Mostly short (padding costs as much as words), sometimes the full length the pipeline pads to."""
    return TEXT_LENGTH if rng.random() < FULL_LENGTH_CHANCE else SHORT_TEXT_LENGTH
