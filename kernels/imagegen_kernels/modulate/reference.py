"""Adaptive layer normalisation (Peebles and Xie, arXiv:2212.09748) as plain PyTorch: the specification."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.quantize.reference import quantize


def modulate(x: Tensor, shift: Tensor, scale: Tensor, eps: float) -> Tensor:
    """(x - mean) / sqrt(var + eps) * (1 + scale) + shift; float32 inside (float64 for float64)."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    centred = wide - wide.mean(dim=-1, keepdim=True)
    normed = centred * torch.rsqrt(centred.square().mean(dim=-1, keepdim=True) + eps)
    return (normed * (1 + scale.to(wide.dtype)) + shift.to(wide.dtype)).to(x.dtype)


def modulate_quantize(x: Tensor, shift: Tensor, scale: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The int8 codes and scales of every token that `modulate` makes."""
    return quantize(modulate(x, shift, scale, eps))
