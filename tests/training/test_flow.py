"""Noise levels of the flow phase."""

import torch

from training.flow import add_noise, draw_sigmas


def test_the_shift_moves_towards_noise() -> None:
    low = draw_sigmas(1000, 1.0, torch.Generator().manual_seed(0))
    high = draw_sigmas(1000, 3.0, torch.Generator().manual_seed(0))
    torch.testing.assert_close(high, 3 * low / (1 + 2 * low))
    assert bool(((low > 0) & (low < 1)).all())


def test_noise_is_mixed_in_by_sigma() -> None:
    tokens, noise = torch.randn(2, 64, 128), torch.randn(2, 64, 128)
    noisy = add_noise(tokens, noise, torch.tensor([0.0, 0.25]))
    torch.testing.assert_close(noisy[0], tokens[0])
    torch.testing.assert_close(noisy[1], 0.75 * tokens[1] + 0.25 * noise[1])
