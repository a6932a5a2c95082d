"""The training of the cut-out networks on pictures drawn as it goes."""

import random
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.cutout.config import CutOutConfig
from training.cutout.loss import cut_out_loss
from training.cutout.network import DEVIATION, MEAN, CutOutNetwork
from training.optimize import optimize

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """pixels: uint8 RGB [h, w, 3]. alpha: uint8 [h, w]. difference: from the sheet, float32 [h, w, 3], for a
    network that is told it."""

    pixels: Pixels
    alpha: Pixels
    difference: Plane | None = None


Draw = Callable[[int, int, random.Random], Sample]


def fit(
    network: CutOutNetwork, draw: Draw, config: CutOutConfig, state: Path, piece: float = float("inf")
) -> None:
    """Train or go on; `network` ends holding the moving average. piece: see `optimize`."""
    network.encoder.stem.requires_grad_(False)
    for stage in network.encoder.stages[: config.frozen_stages]:
        stage.requires_grad_(False)
    network.to(config.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    half = config.device != "cpu" or config.bfloat16

    with ThreadPoolExecutor(1) as ahead:
        # The next batch is drawn while this one is learnt from.
        waiting: list[Future[tuple[Tensor, Tensor]]] = []

        def next_batch(rng: random.Random) -> tuple[Tensor, Tensor]:
            while len(waiting) < 2:
                seed = rng.getrandbits(64)
                waiting.append(ahead.submit(_batch, draw, config, seed))
            return waiting.pop(0).result()

        def loss_of_batch(_: torch.Generator, rng: random.Random) -> Tensor:
            x, alpha = next_batch(rng)
            x = x.to(config.device).contiguous(memory_format=torch.channels_last)
            with torch.autocast(config.device, torch.bfloat16, enabled=half):
                logits, glance = network.both(x)
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
            piece=piece,
        )


def _batch(draw: Draw, config: CutOutConfig, seed: int) -> tuple[Tensor, Tensor]:
    """Network input [B, 3 or 6, H, W] and alpha [B, 1, H, W] in 0..1."""
    rng = random.Random(seed)
    width, height = rng.choice(config.shapes)
    drawn = [draw(width, height, rng) for _ in range(config.batch)]
    pixels = torch.from_numpy(np.stack([sample.pixels for sample in drawn])).permute(0, 3, 1, 2)
    x = (pixels.float() - MEAN) / DEVIATION
    differences = [sample.difference for sample in drawn if sample.difference is not None]
    if differences:
        x = torch.cat([x, torch.from_numpy(np.stack(differences)).permute(0, 3, 1, 2)], dim=1)
    alpha = torch.from_numpy(np.stack([sample.alpha for sample in drawn]))[:, None]
    return x, alpha.float() / 255
