"""Matrix product of activations as they are with a quantised weight, as plain PyTorch: the specification."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.formats import PackedWeight, dequantize


def weight_only_matmul(x: Tensor, weight: PackedWeight, bias: Tensor | None = None) -> Tensor:
    """x [..., K] times the dequantised weight (N, K) transposed, plus bias [N] -> [..., N]: in float32
    (float64 for float64), rounded once to the dtype of x."""
    wide = torch.promote_types(x.dtype, torch.float32)
    out = x.to(wide) @ dequantize(weight, wide).T
    return (out if bias is None else out + bias.to(wide)).to(x.dtype)
