"""The training of the cut-out network on composites drawn as it goes."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.cutout.composites import Composer
from training.cutout.config import CutOutConfig
from training.cutout.foregrounds import Foregrounds
from training.cutout.loss import cut_out_loss
from training.cutout.network import DEVIATION, MEAN, CutOutNetwork
from training.cutout.sheets import on_a_sheet
from training.optimize import optimize

Pixels = NDArray[np.uint8]
Draw = Callable[[int, int, random.Random], tuple[Pixels, Pixels]]


def fit(
    network: CutOutNetwork, composer: Composer, clean: Foregrounds | None, config: CutOutConfig, state: Path
) -> None:
    """Train or go on; `network` ends holding the moving average. clean: what is laid on plain sheets."""
    network.encoder.stem.requires_grad_(False)
    for stage in network.encoder.stages[: config.frozen_stages]:
        stage.requires_grad_(False)
    network.to(config.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def draw(width: int, height: int, rng: random.Random) -> tuple[Pixels, Pixels]:
        if clean is not None and rng.random() < config.on_sheets:
            return on_a_sheet(clean, width, height, rng)
        drawn = composer.draw(width, height, rng)
        return drawn.pixels, drawn.alpha

    def loss_of_batch(_: torch.Generator, rng: random.Random) -> Tensor:
        width, height = rng.choice(config.shapes)
        pixels, alpha = _batch(draw, width, height, config.batch, rng)
        pixels = pixels.to(config.device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(config.device, torch.bfloat16):
            logits, glance = network.both(pixels)
        return cut_out_loss(logits.float(), glance.float(), alpha.to(config.device))

    optimize(
        network,
        loss_of_batch,
        seconds=config.seconds,
        batch=config.batch,
        learning_rate=config.learning_rate,
        ema_halflife=config.ema_halflife,
        state_path=state,
        shares={"encoder": config.encoder_share},
    )


def _batch(draw: Draw, width: int, height: int, size: int, rng: random.Random) -> tuple[Tensor, Tensor]:
    drawn = [draw(width, height, rng) for _ in range(size)]
    pixels = torch.from_numpy(np.stack([picture for picture, _ in drawn])).permute(0, 3, 1, 2)
    alpha = torch.from_numpy(np.stack([coverage for _, coverage in drawn]))[:, None]
    return (pixels.float() - MEAN) / DEVIATION, alpha.float() / 255
