"""Noise levels of the flow phases."""

import dataclasses

import torch

from training.config import FlowPhase
from training.flow import draw_sigmas
from training.networks import SIGMAS

PHASE = FlowPhase(
    seconds=1,
    batch=1,
    learning_rate=1e-3,
    shift=3.0,
    ema_halflife=1,
    guidance=1.0,
    ternary=True,
    few_step=True,
)


def test_few_step_training_visits_only_the_sigmas_of_inference() -> None:
    sigmas = draw_sigmas(1000, PHASE, torch.Generator().manual_seed(0))
    torch.testing.assert_close(torch.unique(sigmas), torch.tensor(sorted(SIGMAS[:-1])))


def test_the_shift_moves_towards_noise() -> None:
    plain = dataclasses.replace(PHASE, few_step=False, shift=1.0)
    shifted = dataclasses.replace(plain, shift=3.0)
    low = draw_sigmas(1000, plain, torch.Generator().manual_seed(0))
    high = draw_sigmas(1000, shifted, torch.Generator().manual_seed(0))
    torch.testing.assert_close(high, 3 * low / (1 + 2 * low))
