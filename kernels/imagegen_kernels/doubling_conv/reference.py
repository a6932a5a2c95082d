"""A transposed convolution of 4x4, stride 2 and padding 1 with int8 weights, as plain PyTorch: the
specification."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv_transpose2d

from imagegen_kernels.formats import DoublingWeight

STEPS = 254
"""Steps between the lowest and the largest code: one of 0..255 is left for rounding both ends."""

SMALLEST = 1e-30
"""A sample whose values span less than this is quantised as if it were this: nothing is divided by 0."""


def scale_and_zero(lowest: float, largest: float) -> tuple[float, int]:
    """Scale and the code of 0 for values in lowest..largest; 0 is always among them, for the borders."""
    low, high = min(lowest, 0.0), max(largest, 0.0)
    scale = max(high - low, SMALLEST) / STEPS
    return scale, round(-low / scale) if scale < math.inf else 0


def quantize(sample: Tensor) -> tuple[Tensor, float, int]:
    """One sample -> codes uint8, scale and zero, with `sample ~ (codes - zero) * scale`.

    codes = round-half-even(sample / scale + zero), where the division multiplies by 1 / scale, a float32, and
    nothing is rounded before the sum.
    """
    scale, zero = scale_and_zero(float(sample.amin()), float(sample.amax()))
    exact = sample.double() * torch.tensor(1 / scale).double() + zero
    return exact.round_().clamp_(0, 255).to(torch.uint8), scale, zero


def doubling_conv(x: Tensor, weight: DoublingWeight, dtype: torch.dtype = torch.float32) -> Tensor:
    """Shapes as `imagegen_kernels.doubling_conv`; the products of codes are summed in float64 (exact), and
    both scales applied to the sum."""
    samples = []
    for sample in x.unbind():
        codes, scale, zero = quantize(sample.unsqueeze(0))
        total = conv_transpose2d(codes.double() - zero, weight.codes.double(), stride=2, padding=1)
        total[:, :, 0::2, 0::2] *= _of(weight, 1, 1)
        total[:, :, 0::2, 1::2] *= _of(weight, 1, 0)
        total[:, :, 1::2, 0::2] *= _of(weight, 0, 1)
        total[:, :, 1::2, 1::2] *= _of(weight, 0, 0)
        samples.append((total * scale + weight.bias.double().view(-1, 1, 1)).to(dtype))
    return torch.cat(samples)


def _of(weight: DoublingWeight, row: int, column: int) -> Tensor:
    """Scales [O, 1, 1] of taps of that parity: position r sees taps r + 1 - 2i."""
    return weight.scales[:, row, column].double().view(-1, 1, 1)
