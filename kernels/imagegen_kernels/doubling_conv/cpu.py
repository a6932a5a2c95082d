"""A doubling convolution in int8 on CPUs with 8-bit dot products (VNNI).

Between four neighbouring positions of x lie four of the result, and these see no others. So a convolution of
2x2 over x with a border around it makes all of them, as that many times more channels: two such
convolutions, for the odd rows of the result and for the even ones, give whole rows as they lie in memory
(channels last). The border is written beforehand: with oneDNN's own padding a convolution of 32 channels of
128x128 takes 1230 us instead of 699 (one Zen 4 core).
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor

from imagegen_kernels.doubling_conv.reference import scale_and_zero
from imagegen_kernels.formats import DoublingWeight
from imagegen_kernels.silu_conv.cpu import ONES, statistics, suits

NONE = [0, 0]


class Half(NamedTuple):
    """What makes every other row, laid out for oneDNN; two pixels of O channels each at a time."""

    codes: Tensor
    """int8 in oneDNN's own layout; only for its operators"""
    scales: Tensor
    """float32 [2 * O]"""
    zero_points: Tensor
    """int64 [2 * O], all 0"""
    bias: Tensor
    """float32 [2 * O]"""


def prepared(weight: DoublingWeight) -> tuple[Half, Half]:
    """What the convolution wants of a weight, for odd and for even rows, made by the first call."""
    found = weight.prepared.get("cpu")
    if found is None:
        found = weight.prepared["cpu"] = (_half(weight, 0), _half(weight, 1))
    return cast(tuple[Half, Half], found)


def _half(weight: DoublingWeight, row: int) -> Half:
    """From the taps of rows `row` and `row` + 2: the latter see the position above."""
    rows = weight.codes[:, :, [row + 2, row]]
    codes = torch.cat([rows[..., [column + 2, column]] for column in (0, 1)], dim=1).transpose(0, 1)
    scales = weight.scales[:, row].T.reshape(-1).contiguous()
    # The zero point given here only says that there is one.
    laid_out = torch.ops.onednn.qconv_prepack(codes.contiguous(), scales, 1.0, 1, ONES, NONE, ONES, 1, None)
    return Half(laid_out, scales, torch.zeros(len(scales), dtype=torch.int64), weight.bias.repeat(2))


def doubling_conv(x: Tensor, weight: DoublingWeight, dtype: torch.dtype) -> Tensor:
    """As `reference.doubling_conv`, to rounding."""
    if len(x) != 1:
        return torch.cat([doubling_conv(sample.unsqueeze(0), weight, dtype) for sample in x.unbind()])
    _, _, height, width = x.shape
    channels = len(weight.bias)
    around, scale, zero = _codes(x)
    odd, even = prepared(weight)
    out = torch.empty(1, 2 * height, 2 * width * channels, dtype=dtype)
    for start, half, seen in ((1, odd, around[:, 1:]), (0, even, around[:, :-1])):
        pairs = torch.ops.onednn.qconv2d_pointwise.default(
            seen.permute(0, 3, 1, 2), scale, zero, *half, ONES, NONE, ONES, 1, 1.0, 0, dtype, "none", [], ""
        )
        # The first and the last pixel of a row lie outside.
        out[:, start::2] = pairs.permute(0, 2, 3, 1).reshape(1, height, -1)[:, :, channels:-channels]
    return out.view(1, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


def _codes(x: Tensor) -> tuple[Tensor, float, int]:
    """Codes uint8 [1, H + 2, W + 2, C] of x [1, C, H, W] with zeros around it, their scale and zero."""
    from imagegen_kernels.passes import maps

    _, channels, height, width = x.shape
    x = x.contiguous(memory_format=torch.channels_last)
    scale, zero = scale_and_zero(*range_of(x))
    around = torch.full((1, height + 2, width + 2, channels), zero, dtype=torch.uint8)
    row, inside, each = width * channels, around[:, 1:, 1:], max(maps.EACH // (width * channels), 1)
    maps.encode(height, row, row + 2 * channels, 1 / scale, float(zero), x, inside, each=each)
    return around, scale, zero


def range_of(x: Tensor) -> tuple[float, float]:
    """The smallest and the largest number of x; NaN where it holds one."""
    if not suits(x):
        return float(x.amin()), float(x.amax())
    found = statistics(x)
    broken = float(found[:, 0].sum()) * 0.0
    return float(found[:, 2].amin()) + broken, float(found[:, 3].amax()) + broken
