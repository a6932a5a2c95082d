"""Quantised matrix product as plain PyTorch: the specification.

Activations are quantised to int8 a token, the group scales of the weight are folded into its codes so that
one scale a row is left, the product is exact in integers, and both scales are applied to it in float32.
"""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.quantize.reference import quantize

EXACT_COLUMNS = 1024
"""127 * 127 * 1024 < 2^24: sums of that many products of int8 codes are exact in float32, in any order."""

_FOLD_ROWS = 64
"""Rows folded at a time, so that their float32 copy stays in the cache: 7 times faster than all at once."""


def fold(weight: PackedWeight) -> tuple[Tensor, Tensor]:
    """Fold group scales into the codes: int8 [N, K] and float32 row scales [N], with W ~ codes * row scale.

    row scale = max over the groups of |scale| * max |code|, / 127
    codes     = round-half-even(code * (scale / row scale))

    A weight with one scale a row is returned as it is. Otherwise a weight is off by at most half a row scale:
    0.3-0.5 % of a ternary weight in all, about as much as rounding it to bfloat16 (0.29 %).
    """
    rows, columns = weight.shape
    codes, scales = weight.codes, weight.scales.float()
    if weight.group_size == columns:
        return codes, scales.view(rows)
    groups = codes.view(rows, -1, weight.group_size)
    largest = torch.maximum(groups.amax(dim=-1).float(), -groups.amin(dim=-1).float())
    row_scale = (scales.abs() * largest).amax(dim=-1) / 127
    factor = (scales / torch.where(row_scale == 0, 1, row_scale).unsqueeze(-1)).unsqueeze(-1)
    folded = torch.empty_like(groups)
    for start in range(0, rows, _FOLD_ROWS):
        block = slice(start, start + _FOLD_ROWS)
        folded[block] = (groups[block].float() * factor[block]).round_()
    return folded.view(rows, columns), row_scale


def integer_product(x: Tensor, codes: Tensor) -> Tensor:
    """int8 x [M, K] times int8 codes [N, K] transposed -> int32 [M, N], exact for K up to 130,000."""
    total = torch.zeros(x.shape[0], codes.shape[0], dtype=torch.int32, device=x.device)
    for start in range(0, x.shape[1], EXACT_COLUMNS):
        columns = slice(start, start + EXACT_COLUMNS)
        total += (x[:, columns].float() @ codes[:, columns].float().T).to(torch.int32)
    return total


def int8_linear(x: Tensor, codes: Tensor, row_scale: Tensor) -> Tensor:
    """x [M, K] times (codes int8 [N, K] * row_scale float32 [N]) transposed -> [M, N] in the dtype of x."""
    tokens, token_scale = quantize(x)
    return (integer_product(tokens, codes).float() * row_scale * token_scale).to(x.dtype)


def matmul(x: Tensor, weight: PackedWeight, bias: Tensor | None = None) -> Tensor:
    """x [..., K] times weight (N, K) transposed, plus bias [N] -> [..., N] in the dtype of x."""
    out = int8_linear(x.reshape(-1, x.shape[-1]), *fold(weight)).view(*x.shape[:-1], -1)
    return out if bias is None else out + bias.to(out.dtype)
