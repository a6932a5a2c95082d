"""Passes over tokens: the odd numbers; the ordinary ones are tested with the ops that run them."""

import pytest
import torch
from torch import Tensor

from imagegen_kernels.passes import tokens
from imagegen_kernels.quantize import reference


def silu(x: Tensor) -> Tensor:
    """By the pass that finishes gates: values of 1 change nothing."""
    products, out = torch.cat([x, torch.ones_like(x)], dim=1), torch.empty_like(x)
    tokens.finish_swiglu(len(x), 0, x.shape[1], x.shape[1], products, torch.ones(len(x)), out)
    return out


@pytest.mark.parametrize("columns", [1, 7, 64, 1001])
def test_silu_is_exact_to_a_few_units_in_the_last_place(columns: int) -> None:
    x = torch.randn(11, columns) * torch.logspace(-3, 1.5, 11).unsqueeze(1)
    exact = torch.nn.functional.silu(x.double())
    torch.testing.assert_close(silu(x).double(), exact, rtol=6e-7, atol=1e-35)


def test_silu_of_extreme_numbers() -> None:
    largest = torch.finfo(torch.float32).max
    x = torch.tensor([[0.0, -0.0, 88.0, -88.0, 1e4, -1e4, largest, torch.inf]])
    expected = torch.nn.functional.silu(x)
    torch.testing.assert_close(silu(x), expected, rtol=1e-6, atol=1e-33)


def test_silu_of_a_number_that_is_none_is_none() -> None:
    x = torch.randn(2, 40)
    x[1, 3] = torch.nan
    found = silu(x)
    assert found.isnan().sum() == 1
    assert found[1, 3].isnan()


def test_quantising_strided_zero_huge_and_broken_tokens() -> None:
    x = torch.randn(7, 300)[:, :200]
    x[1], x[2], x[3, 5] = 0, x[2] * 1e30, torch.nan
    codes, scale = torch.empty(7, 200, dtype=torch.uint8), torch.empty(7, 1)
    tokens.quantize(7, 200, x.stride(0), x, codes, scale)
    expected, expected_scale = reference.quantize(x)
    sound = torch.arange(7) != 3
    assert torch.equal(codes[sound], (expected[sound].int() + 128).to(torch.uint8))
    assert torch.equal(scale[sound], expected_scale[sound])
    assert scale[3].isnan()
