"""Gated residual sum as plain PyTorch: the specification."""

from __future__ import annotations

import torch
from torch import Tensor


def gated_residual(x: Tensor, gate: Tensor, y: Tensor) -> Tensor:
    """x + gate * y, in float32 (float64 for float64), rounded once."""
    wide = torch.promote_types(x.dtype, torch.float32)
    return (x.to(wide) + gate.to(wide) * y.to(wide)).to(x.dtype)
