"""A doubling convolution on x86 processors with AVX2 and without 8-bit dot products.

It is four convolutions of 2x2, one for each of the four pixels that a position becomes.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from imagegen_kernels.doubling_conv.cpu import range_of
from imagegen_kernels.doubling_conv.reference import scale_and_zero
from imagegen_kernels.formats import DoublingWeight
from imagegen_kernels.silu_conv.avx2 import Laid, channels_first, convolve, encode, lay_out

PIXELS = [(row, column) for row in (0, 1) for column in (0, 1)]


def prepared(weight: DoublingWeight) -> list[Laid]:
    """What the convolutions want of a weight, in the order of PIXELS, made by the first call."""
    found = weight.prepared.get("avx2")
    if found is None:
        found = weight.prepared["avx2"] = [_quarter(weight, *pixel) for pixel in PIXELS]
    return cast(list[Laid], found)


def _quarter(weight: DoublingWeight, row: int, column: int) -> Laid:
    """An even row sees the position above by the last tap and its own by the second; an odd one its own by
    the third and the one below by the first. Columns alike."""
    rows, columns = ((3 - parity, 1 - parity) for parity in (row, column))
    codes = weight.codes[:, :, rows][..., columns].transpose(0, 1)
    return lay_out(codes, weight.scales[:, 1 - row, 1 - column], weight.bias)


def doubling_conv(x: Tensor, weight: DoublingWeight, dtype: torch.dtype) -> Tensor:
    """As `reference.doubling_conv`, to rounding."""
    if len(x) != 1:
        return torch.cat([doubling_conv(sample.unsqueeze(0), weight, dtype) for sample in x.unbind()])
    scale, zero = scale_and_zero(*range_of(x))
    codes, quarters = encode(x, scale, zero, 1), prepared(weight)
    out = torch.empty(2 * x.shape[2], 2 * x.shape[3], len(quarters[0].bias))
    for (row, column), quarter in zip(PIXELS, quarters, strict=True):
        convolve(codes[row:, column:], quarter, scale, out[row::2, column::2])
    return channels_first(out, len(weight.bias)).to(dtype)
