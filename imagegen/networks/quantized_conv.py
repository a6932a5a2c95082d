"""Convolutions with int8 weights, for `nn.Conv2d` and `nn.ConvTranspose2d` where a decoder is narrowed.

Knows nothing of files or of which decoder stands it: `weights/load.py` decides that.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from imagegen_kernels import doubling_conv, silu_conv
from imagegen_kernels.formats import ConvWeight, DoublingWeight
from imagegen_kernels.silu_conv.reference import Norm


class QuantizedConv(nn.Module):
    """`weight` of a convolution, int8; `silu_then` runs it."""

    def __init__(self, weight: ConvWeight) -> None:
        super().__init__()
        self.weight = weight

    def extra_repr(self) -> str:
        outputs, inputs, *kernel = self.weight.codes.shape
        return f"{inputs} -> {outputs}, {kernel}, int8"


class QuantizedDoubling(nn.Module):
    """A transposed convolution of 4x4 and stride 2: float32 x [B, I, H, W] -> [B, O, 2H, 2W] in `narrow`."""

    def __init__(self, weight: DoublingWeight, narrow: torch.dtype) -> None:
        super().__init__()
        self.weight = weight
        self.narrow = narrow

    def forward(self, x: Tensor) -> Tensor:
        return doubling_conv(x, self.weight, self.narrow)

    def extra_repr(self) -> str:
        inputs, outputs = self.weight.codes.shape[:2]
        return f"{inputs} -> {outputs}, int8"


def silu_then(convolution: nn.Module, x: Tensor) -> Tensor:
    """silu(x), then the convolution, quantised or not. x may be overwritten."""
    if isinstance(convolution, QuantizedConv):
        return silu_conv(x, convolution.weight)
    out: Tensor = convolution(silu(x, inplace=True))
    return out


def norm_silu_then(norm: nn.GroupNorm, convolution: nn.Module, x: Tensor) -> Tensor:
    """silu(norm(x)), then the convolution, quantised or not."""
    if isinstance(convolution, QuantizedConv):
        return silu_conv(x, convolution.weight, Norm(norm.num_groups, norm.weight, norm.bias, norm.eps))
    return silu_then(convolution, norm(x))
