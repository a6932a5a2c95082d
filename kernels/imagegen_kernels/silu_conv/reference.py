"""SiLU and an int8 convolution as plain PyTorch: the specification."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import conv2d, group_norm, silu

from imagegen_kernels.formats import ConvWeight

LOWEST = -0.27846455
"""silu(x) is nowhere below this."""

STEPS = 254
"""Steps between the lowest and the largest code: one of 0..255 is left for rounding both ends."""

SMALLEST = 1e-30
"""A sample whose activations span less than this is quantised as if it were this: nothing is divided by 0."""


class Norm(NamedTuple):
    """A group norm, as torch.nn.functional.group_norm takes it."""

    groups: int
    weight: Tensor
    """float32 [C]"""
    bias: Tensor
    """float32 [C]"""
    eps: float


def scale_and_zero(largest: float) -> tuple[float, int]:
    """Scale and the code of 0 for activations in LOWEST..largest."""
    scale = max(largest - LOWEST, SMALLEST) / STEPS
    return scale, round(-LOWEST / scale) if scale > SMALLEST else 0


def quantize(activated: Tensor) -> tuple[Tensor, float, int]:
    """One sample's silu(x) -> codes uint8, scale and zero, with `activated ~ (codes - zero) * scale`.

    codes = round-half-even(activated / scale + zero), where the division multiplies by 1 / scale, a float32,
    and nothing is rounded before the sum.
    """
    scale, zero = scale_and_zero(float(activated.amax()))
    exact = activated.double() * torch.tensor(1 / scale).double() + zero
    return exact.round_().clamp_(0, 255).to(torch.uint8), scale, zero


def silu_conv(x: Tensor, weight: ConvWeight, norm: Norm | None = None) -> Tensor:
    """Shapes as `imagegen_kernels.silu_conv`; the products of codes are summed in float64 (exact), and both
    scales applied to the sum."""
    samples = []
    for sample in x.unbind():
        one = sample.unsqueeze(0)
        codes, scale, zero = quantize(silu(one if norm is None else group_norm(one, *norm)))
        total = conv2d(codes.double() - zero, weight.codes.double(), padding=weight.padding)
        scales = (weight.scales.double() * scale).view(-1, 1, 1)
        samples.append((total * scales + weight.bias.double().view(-1, 1, 1)).float())
    return torch.cat(samples)
