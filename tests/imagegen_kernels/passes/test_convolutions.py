"""Convolutions of codes against exact ones, on CPUs with AVX2."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from imagegen_kernels.silu_conv.avx2 import convolve, lay_out

pytestmark = pytest.mark.usefixtures("avx2")


def exact(codes: Tensor, weight: Tensor) -> Tensor:
    return conv2d(codes.permute(2, 0, 1).unsqueeze(0).double(), weight.double())[0].permute(1, 2, 0)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("inputs", "outputs"), [(2, 1), (5, 7), (16, 16), (64, 33)])
@pytest.mark.parametrize(("taps", "across"), [(1, 1), (2, 2), (3, 3), (3, 1)])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 3), (9, 18)])
def test_sums_are_exact(inputs: int, outputs: int, taps: int, across: int, height: int, width: int) -> None:
    weight = torch.randint(-127, 128, (outputs, inputs, taps, across), dtype=torch.int8)
    laid = lay_out(weight, torch.ones(outputs), torch.zeros(outputs))
    whole = torch.randint(-255, 256, (height + taps - 1, width + across - 1, inputs), dtype=torch.int16)
    codes = torch.nn.functional.pad(whole, (0, inputs % 2), value=9)  # meets a weight of 0
    out = torch.full((height, width, len(laid.bias)), torch.nan)
    convolve(codes, laid, 1.0, out)
    assert torch.equal(out[..., :outputs].double(), exact(whole, weight))
    assert not out[..., outputs:].any()


def test_the_largest_codes_saturate_nothing() -> None:
    weight = torch.full((16, 64, 3, 3), 127, dtype=torch.int8)
    weight[1], weight[2, ::2] = -127, -127
    codes = torch.full((6, 6, 64), 255, dtype=torch.int16)
    codes[:, 1::2, 1::2] = -255
    out = torch.full((4, 4, 16), torch.nan)
    convolve(codes, lay_out(weight, torch.ones(16), torch.zeros(16)), 1.0, out)
    expected = exact(codes, weight)
    assert float(expected.abs().max()) > 5e6
    torch.testing.assert_close(out.double(), expected, rtol=6e-8, atol=0)


def test_scale_and_bias_and_parts_of_something_wider() -> None:
    weight, scales, bias = torch.randint(-127, 128, (16, 4, 2, 2)).char(), torch.rand(16), torch.randn(16)
    codes = torch.randint(-255, 256, (9, 12, 4), dtype=torch.int16)
    wide = torch.full((12, 20, 16), torch.nan)
    convolve(codes[1:, 2:], lay_out(weight, scales, bias), 0.5, wide[::2, 1::2][:6, :9])
    expected = exact(codes[1:8, 2:12], weight) * scales.double() * 0.5 + bias.double()
    torch.testing.assert_close(wide[::2, 1::2][:6, :9].double(), expected, rtol=1e-5, atol=1e-3)
    assert wide[1::2].isnan().all()
    assert wide[:, ::2].isnan().all()
    assert wide[:, 19].isnan().all()
