"""Weight-only product on a CPU: the weight dequantised to the dtype of the activations, then PyTorch's
linear.

A small weight is kept so; of a large one each call dequantises some rows at a time, so that it never exists
whole.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import linear

from imagegen_kernels.formats import PackedWeight, dequantize
from imagegen_kernels.matmul.cpu import KEPT_CODES

ROWS = 512
"""Rows dequantised at a time."""


def weight_only_matmul(x: Tensor, weight: PackedWeight, bias: Tensor | None) -> Tensor:
    """As `reference.weight_only_matmul`, with the weight rounded to the dtype of x."""
    rows, columns = weight.shape
    bias = None if bias is None else bias.to(x.dtype)
    if rows * columns <= KEPT_CODES:
        return linear(x, _kept(weight, x.dtype), bias)
    out = x.new_empty(*x.shape[:-1], rows)
    for start in range(0, rows, ROWS):
        block = slice(start, min(start + ROWS, rows))
        out[..., block] = linear(x, dequantize(_part(weight, block), x.dtype))
    return out if bias is None else out.add_(bias)


def _kept(weight: PackedWeight, dtype: torch.dtype) -> Tensor:
    name = f"dense {dtype}"
    if name not in weight.prepared:
        weight.prepared[name] = dequantize(weight, dtype)
    return cast(Tensor, weight.prepared[name])


def _part(weight: PackedWeight, rows: slice) -> PackedWeight:
    zero_points = None if weight.zero_points is None else weight.zero_points[rows]
    packed, scales = weight.packed[rows], weight.scales[rows]
    shape = (len(packed), weight.shape[1])
    return PackedWeight(packed, scales, weight.format, shape, weight.group_size, zero_points, weight.base3)
