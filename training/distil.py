"""Few-step distillation: four long strides learn where many small, guided ones would have led.

A stride starts at one of the four noise levels of inference. The teacher walks it in `substeps` Euler steps;
the straight line from its start to its end is the student's target velocity. With `guidance` s the teacher
moves by v(empty) + s * (v(caption) - v(empty)) (classifier-free guidance, Ho 2022), so the student needs none
at run time. As the target holds no noise, this converges in a tenth of the samples flow matching takes.

Half of the strides start from a noised photo, the others where the network's own earlier strides lead: what
it will meet at run time.
"""

import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn
from torch.nn.attention import sdpa_kernel

from training.config import DistilPhase
from training.dataset import CaptionedLatents
from training.flow import ATTENTION, add_noise, random_text_length
from training.networks import SIGMAS, ConditionedTransformer
from training.optimize import optimize

STRIDES = torch.tensor(list(pairwise(SIGMAS)))
STRIDE_CHANCES = torch.tensor((0.15, 0.2, 0.3, 0.35))
OWN_PATH_CHANCE = 0.5


def train_distil(
    network: ConditionedTransformer,
    teacher: ConditionedTransformer,
    data: CaptionedLatents,
    phase: DistilPhase,
    device: str,
    state_path: Path,
) -> None:
    """Train `network` towards `teacher` for `phase.seconds` in all; it ends holding the average.

    Both read the same embeddings, those of `network`, whose text encoder is frozen.
    """

    def loss_of_batch(generator: torch.Generator, rng: random.Random) -> torch.Tensor:
        tokens, captions = data.batch(phase.batch, generator, rng)
        length = random_text_length(rng)
        noise = torch.randn(tokens.shape, generator=generator).to(device)
        # One stride for the whole batch, so that walking one's own path costs no masked-out work.
        stride = int(torch.multinomial(STRIDE_CHANCES, 1, generator=generator))
        with torch.autocast(device, dtype=torch.bfloat16), sdpa_kernel(ATTENTION):
            with torch.no_grad():
                embeds = network.embed(*(part.to(device) for part in network.tokenize(captions, length)))
                empty = network.embed(*(part.to(device) for part in network.tokenize([""], length)))
                if rng.random() < OWN_PATH_CHANCE:
                    start = walk(network, noise, embeds, SIGMAS[: stride + 1])
                else:
                    start = add_noise(
                        tokens.to(device), noise, STRIDES[stride, 0].expand(len(tokens)).to(device)
                    )
                begin, end = STRIDES[stride].tolist()
                levels = torch.linspace(begin, end, phase.substeps + 1).tolist()
                reached = walk(teacher, start, embeds, levels, empty, phase.guidance)
                target = (reached - start) / (end - begin)
            sigma = torch.full((len(tokens),), begin, device=device)
            velocity = network.velocity(start, sigma, embeds).float()
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


def walk(
    network: ConditionedTransformer,
    tokens: torch.Tensor,
    embeds: torch.Tensor,
    levels: Sequence[float],
    empty: torch.Tensor | None = None,
    guidance: float = 1.0,
) -> torch.Tensor:
    """Euler steps from levels[0] to levels[-1], guided where `guidance` is not 1.

    tokens: float32 [B, 64, 128]; embeds: [B, L, 768]; empty: [1, L, 768], the embedding of no caption.
    """
    count = len(tokens)
    guided = guidance != 1.0
    if guided:
        if empty is None:
            raise ValueError("guidance needs the embedding of the empty caption")
        embeds = torch.cat([embeds, empty.expand(count, -1, -1)])
    for begin, end in pairwise(levels):
        sigma = torch.full((len(embeds),), begin, device=tokens.device)
        velocity = network.velocity(tokens.repeat(2, 1, 1) if guided else tokens, sigma, embeds).float()
        if guided:
            captioned, free = velocity.chunk(2)
            velocity = free + guidance * (captioned - free)
        tokens = tokens + (end - begin) * velocity
    return tokens
