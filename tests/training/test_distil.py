"""The teacher's walk, and that a student learns to take it in one stride."""

import random
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import nn

from training.config import DistilPhase
from training.dataset import CaptionedLatents
from training.distil import train_distil, walk
from training.networks import SIGMAS, ConditionedTransformer

CAPTIONED, EMPTY = 2.0, 0.5  # what a caption and no caption read as


class Field(nn.Module):
    """A network whose velocity is `slope` times what the caption reads as, everywhere."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))
        self.levels: list[float] = []

    def tokenize(self, prompts: list[str], length: int) -> tuple[torch.Tensor, torch.Tensor]:
        ids = torch.tensor([[float(prompt != "")] * length for prompt in prompts])
        return ids, torch.ones_like(ids)

    def embed(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return (EMPTY + (CAPTIONED - EMPTY) * ids * mask)[..., None]

    def velocity(self, tokens: torch.Tensor, sigma: torch.Tensor, embeds: torch.Tensor) -> torch.Tensor:
        self.levels.append(float(sigma[0]))
        return self.slope * embeds[:, :1].expand_as(tokens)


class Latents:
    """Batches of zeros, every one captioned."""

    def batch(
        self, size: int, generator: torch.Generator, rng: random.Random
    ) -> tuple[torch.Tensor, list[str]]:
        return torch.zeros(size, 64, 128), ["red shoe"] * size


def network(slope: float) -> ConditionedTransformer:
    return cast(ConditionedTransformer, Field(slope))


def read(caption: str) -> torch.Tensor:
    field = Field(1.0)
    return field.embed(*field.tokenize([caption], 4))


def test_a_walk_visits_every_level_but_the_last() -> None:
    field = Field(1.0)
    walk(cast(ConditionedTransformer, field), torch.zeros(1, 64, 128), read("red shoe"), SIGMAS)
    assert field.levels == pytest.approx(SIGMAS[:-1])


def test_guidance_moves_away_from_the_empty_caption() -> None:
    start = torch.zeros(3, 64, 128)
    embeds = read("red shoe").expand(3, -1, -1)
    plain = walk(network(1.0), start, embeds, [1.0, 0.0])
    guided = walk(network(1.0), start, embeds, [1.0, 0.0], read(""), guidance=3.0)
    torch.testing.assert_close(plain, torch.full_like(start, -CAPTIONED))
    torch.testing.assert_close(guided, torch.full_like(start, -(EMPTY + 3 * (CAPTIONED - EMPTY))))


def test_guidance_without_an_empty_caption_is_refused() -> None:
    with pytest.raises(ValueError, match="empty caption"):
        walk(network(1.0), torch.zeros(1, 64, 128), read("red shoe"), [1.0, 0.0], guidance=3.0)


def test_the_student_learns_the_guided_stride(tmp_path: Path) -> None:
    student, teacher = network(0.0), network(1.0).requires_grad_(False)
    phase = DistilPhase(seconds=1, batch=2, learning_rate=0.3, ema_halflife=2, substeps=2, guidance=3.0)
    torch.manual_seed(0)
    train_distil(student, teacher, cast(CaptionedLatents, Latents()), phase, "cpu", tmp_path / "state.pt")
    wanted = (EMPTY + 3 * (CAPTIONED - EMPTY)) / CAPTIONED  # the teacher's guided velocity, without guidance
    assert cast(Field, student).slope.item() == pytest.approx(wanted, abs=0.1)
