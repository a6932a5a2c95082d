"""Quantised matrix product as plain PyTorch: the specification.

Activations are quantised to int8 a token, the group scales of the weight are folded into its codes so that
one scale a row is left, the product is exact in integers, and the two scales are applied to it in float32.
"""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.quantize.reference import quantize

EXACT_COLUMNS = 1024
"""127 * 127 * 1024 < 2^24: so many products of int8 codes add up without rounding in float32, in any
order."""


def fold(weight: PackedWeight) -> tuple[Tensor, Tensor]:
    """Fold group scales into the codes: int8 [N, K] and float32 row scales [N], with W ~ codes * row scale.

    row scale = max over the groups of |scale| * max |code| / 127; codes = round-half-even(code * scale / row
    scale). A weight with one scale a row is returned as it is. Otherwise the new codes are off by at most
    half a row scale: 0.3-0.5 % of a ternary weight, about as much as rounding it to bfloat16.
    """
    rows, columns = weight.shape
    scales = weight.scales.float()
    if weight.group_size == columns:
        return weight.codes, scales.view(rows)
    groups = weight.codes.view(rows, -1, weight.group_size).float()
    row_scale = (scales.abs() * groups.abs().amax(dim=-1)).amax(dim=-1) / 127
    step = torch.where(row_scale == 0, 1, row_scale).view(rows, 1, 1)
    codes = torch.round(groups * scales.unsqueeze(-1) / step)
    return codes.to(torch.int8).view(rows, columns), row_scale


def integer_product(x: Tensor, weight: Tensor) -> Tensor:
    """int8 x [M, K] times int8 weight [N, K] transposed -> int32 [M, N], exact for K up to 133,000."""
    total = torch.zeros(x.shape[0], weight.shape[0], dtype=torch.int32, device=x.device)
    for start in range(0, x.shape[1], EXACT_COLUMNS):
        columns = slice(start, start + EXACT_COLUMNS)
        total += (x[:, columns].float() @ weight[:, columns].float().T).to(torch.int32)
    return total


def matmul(x: Tensor, weight: PackedWeight, bias: Tensor | None = None) -> Tensor:
    """x [..., K] times weight [N, K] transposed, plus bias [N] -> [..., N] in the dtype of x."""
    folded, row_scale = fold(weight)
    codes, token_scale = quantize(x.reshape(-1, x.shape[-1]))
    out = integer_product(codes, folded).float() * row_scale * token_scale
    if bias is not None:
        out = out + bias.float()
    return out.to(x.dtype).view(*x.shape[:-1], -1)
