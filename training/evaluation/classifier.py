"""The judge: a small residual network that names the item on a picture, trained on photos only.

It never sees a generated picture. Photos are blurred, shifted and scaled at random, so that softness and
placement tell it nothing; a generated picture is then one more soft, slightly misplaced photo.
"""

import logging
import math
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from training.evaluation.photos import Photos
from training.state import load_state, save_state

log = logging.getLogger(__name__)

WIDTH = 32
FEATURES = 8 * WIDTH
LEAST_PHOTOS = 20  # of an item, for it to be a class
SAMPLES = 128_000  # six times each photo: five minutes of one core
BATCH = 64
LEARNING_RATE = 2e-3
SAVE_EVERY = 100  # steps
EVALUATION_BATCH = 256


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut (ResNet-D: the shortcut averages instead of skipping pixels)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        nn.init.zeros_(self.path[-1].weight)  # type: ignore[arg-type]
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, inputs, H, W] -> [B, outputs, H/stride, W/stride]."""
        return functional.relu(self.shortcut(x) + self.path(x))


class Classifier(nn.Module):
    """Pictures [B, 3, 64, 64] as darkness (0 = white, 1 = black) -> logits over `items`."""

    def __init__(self, items: tuple[str, ...]) -> None:
        super().__init__()
        self.items = items
        self.body = nn.Sequential(
            nn.Conv2d(3, WIDTH, 3, 2, 1, bias=False),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(),
            Block(WIDTH, 2 * WIDTH, 2),
            Block(2 * WIDTH, 4 * WIDTH, 2),
            Block(4 * WIDTH, 4 * WIDTH, 1),
            Block(4 * WIDTH, FEATURES, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(FEATURES, len(items))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, darkness: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.body(darkness))
        return logits

    @torch.inference_mode()
    def judge(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Pixels uint8 [N, 64, 64, 3] -> probability of each item [N, items], features [N, 256]."""
        self.eval()
        shares, features = [], []
        for start in range(0, len(pixels), EVALUATION_BATCH):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                found = self.body(as_darkness(pixels[start : start + EVALUATION_BATCH])).float()
            shares.append(self.head(found).softmax(1).numpy())
            features.append(found.numpy())
        return np.concatenate(shares), np.concatenate(features)


def as_darkness(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """Pixels uint8 [N, H, W, 3] -> float32 [N, 3, H, W] channels_last, 0 for white: padding is background."""
    return 1 - torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def augment(darkness: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Shifts, scales, mirrors and tints each picture [B, 3, H, W], and blurs a random half of them alike."""
    count, side = len(darkness), darkness.shape[-1]

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator)

    zoom = uniform(0.9, 1.2, count)
    mirror = (torch.randint(0, 2, (count,), generator=generator) * 2 - 1).float()
    zero = torch.zeros(count)
    across = torch.stack([zoom * mirror, zero, uniform(-0.12, 0.12, count)], 1)
    down = torch.stack([zero, zoom, uniform(-0.12, 0.12, count)], 1)
    grid = functional.affine_grid(torch.stack([across, down], 1), [count, 3, side, side], align_corners=False)
    moved = functional.grid_sample(darkness, grid, align_corners=False)
    half = count // 2
    small = int(torch.randint(side * 3 // 8, side * 7 // 8, (1,), generator=generator))
    soft = functional.interpolate(moved[:half], size=small, mode="bilinear", antialias=True)
    soft = functional.interpolate(soft, size=side, mode="bilinear", align_corners=False)
    tint = uniform(0.85, 1.15, count, 1, 1, 1) * uniform(0.95, 1.05, count, 3, 1, 1)
    return (torch.cat([soft, moved[half:]]) * tint).contiguous(memory_format=torch.channels_last)


def train_classifier(
    photos: Photos, state_path: Path, samples: int = SAMPLES, batch: int = BATCH
) -> Classifier:
    """A classifier of all items with enough training photos; continues from `state_path`, free once done.

    The length is in samples, not seconds: the judge is the same on a busy machine.
    """
    rows = photos.rows("train")
    counts = Counter(photos.records[row]["item"] for row in rows.tolist())
    items = tuple(sorted(item for item, count in counts.items() if count >= LEAST_PHOTOS))
    rows = photos.rows("train", items)
    index = {item: number for number, item in enumerate(items)}
    labels = torch.tensor([index[photos.records[row]["item"]] for row in rows.tolist()])
    torch.manual_seed(0)
    network = Classifier(items)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.05, fused=True)
    steps, step = samples // batch, 0
    state = load_state(state_path)
    if state is not None:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    network.train()
    while step < steps:
        generator = torch.Generator().manual_seed(step)
        drawn = torch.randint(0, len(rows), (batch,), generator=generator)
        darkness = augment(as_darkness(photos.pixels[rows[drawn.numpy()]]), generator)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = network(darkness)
        loss = functional.cross_entropy(logits.float(), labels[drawn], label_smoothing=0.1)
        loss.backward()  # type: ignore[no-untyped-call]
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * learning_rate_share(step / steps)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        if step % SAVE_EVERY == 0 or step == steps:
            save_state(
                state_path,
                {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step},
            )
            log.info("classifier: step %d of %d, loss %.3f", step, steps, loss.item())
    return network.eval()


def learning_rate_share(progress: float) -> float:
    """Linear rise over the first twentieth, then half a cosine to zero; `progress` 0..1."""
    return min(1.0, progress / 0.05 + 0.01) * 0.5 * (1 + math.cos(math.pi * progress))
