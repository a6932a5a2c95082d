"""The models under evaluation behind one face: prompts and seeds in, pictures out.

The product's own pipeline on a checkpoint folder, and the networks of a run's phases with the training
classes. Both start from the same noise for the same seed, so their pictures can be laid side by side.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from imagegen.pipeline.latents import noise
from imagegen.pipeline.text_to_image import TextToImage
from imagegen.weights.catalog import find_model
from imagegen.weights.load import load_components
from training.networks import GRID, SIGMAS, TOKEN_CHANNELS, unpatchify
from training.run import Recipe
from training.sampling import draw
from training.ternary import make_ternary

BATCH = 16
TEACHER_STEPS = 50
SHIFT = 3.0  # of build_scheduler(): which noise levels a number of steps visits

Painter = Callable[[Sequence[str], Sequence[int]], NDArray[np.uint8]]
"""Prompts and as many seeds -> pictures, uint8 [N, H, W, 3]."""


def shipped(checkpoint: Path) -> Painter:
    """The checkpoint as the product runs it: packed ternary weights, its own default size and steps."""
    card = find_model(checkpoint)
    pipeline = TextToImage(load_components(card, "cpu"))

    def paint(prompts: Sequence[str], seeds: Sequence[int]) -> NDArray[np.uint8]:
        pictures = []
        for texts, numbers in _batches(prompts, seeds):
            batch = pipeline.generate(texts, numbers, card.width, card.height, card.steps)
            pictures += [generated.picture for generated in batch.pictures]
        return np.stack(pictures)

    return paint


def of_phase(
    recipe: Recipe, phase: str, steps: int = TEACHER_STEPS, guidance: float | None = None
) -> Painter:
    """The averaged network of a phase, bf16: `flow` in `steps` guided ones, the others in four unguided.

    guidance: of the teacher; by default what the run's student is taught under.
    """
    network = recipe.network(phase).eval()
    if phase == "ternary":
        make_ternary(network.transformer)
    levels, scale = list(SIGMAS), 1.0
    if phase == "flow":
        levels = teacher_levels(steps)
        scale = recipe.config.student.guidance if guidance is None else guidance
    statistics = recipe.statistics()
    autoencoder = recipe.autoencoder().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def paint(prompts: Sequence[str], seeds: Sequence[int]) -> NDArray[np.uint8]:
        pictures = []
        for texts, numbers in _batches(prompts, seeds):
            start = noise(numbers, TOKEN_CHANNELS, GRID, GRID)
            tokens = draw(network, texts, start, levels, scale)
            latents = unpatchify(statistics.denormalize(tokens))
            with torch.autocast("cpu", dtype=torch.bfloat16):
                decoded = torch.cat([autoencoder.decode(single).sample for single in latents.unsqueeze(1)])
            pixels = (decoded.float() / 2 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8)
            pictures.append(pixels.permute(0, 2, 3, 1).numpy())
        return np.concatenate(pictures)

    return paint


def teacher_levels(steps: int) -> list[float]:
    """Noise levels from 1 to 0, `steps` + 1 of them, spaced as inference spaces its four."""
    even = [1 - step / steps for step in range(steps + 1)]
    return [SHIFT * level / (1 + (SHIFT - 1) * level) for level in even]


def _batches(prompts: Sequence[str], seeds: Sequence[int]) -> Iterator[tuple[list[str], list[int]]]:
    if len(prompts) != len(seeds):
        raise ValueError(f"{len(prompts)} prompts, {len(seeds)} seeds")
    for start in range(0, len(prompts), BATCH):
        yield list(prompts[start : start + BATCH]), list(seeds[start : start + BATCH])
