"""The training of the cut-out network on composites drawn as it goes."""

import random
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.cutout.composites import Composer
from training.cutout.config import CutOutConfig
from training.cutout.loss import cut_out_loss
from training.cutout.network import DEVIATION, MEAN, CutOutNetwork
from training.optimize import optimize

FROZEN_STAGES = 2  # of the encoder: edges and colours are learnt, and their gradients cost most


def fit(network: CutOutNetwork, composer: Composer, config: CutOutConfig, state: Path) -> None:
    """Train or go on; `network` ends holding the moving average."""
    network.encoder.stem.requires_grad_(False)
    for stage in network.encoder.stages[:FROZEN_STAGES]:
        stage.requires_grad_(False)
    network.to(config.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def loss_of_batch(_: torch.Generator, rng: random.Random) -> Tensor:
        width, height = rng.choice(config.shapes)
        pixels, alpha = _batch(composer, width, height, config.batch, rng)
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


def _batch(
    composer: Composer, width: int, height: int, size: int, rng: random.Random
) -> tuple[Tensor, Tensor]:
    drawn = [composer.draw(width, height, rng) for _ in range(size)]
    pixels = torch.from_numpy(np.stack([composite.pixels for composite in drawn])).permute(0, 3, 1, 2)
    alpha = torch.from_numpy(np.stack([composite.alpha for composite in drawn]))[:, None]
    return (pixels.float() - MEAN) / DEVIATION, alpha.float() / 255
