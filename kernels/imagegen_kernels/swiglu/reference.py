"""SwiGLU gate (Shazeer 2020, arXiv:2002.05202) as plain PyTorch: the specification."""

from __future__ import annotations

import torch
from torch import Tensor


def swiglu(x: Tensor) -> Tensor:
    """silu(first half) * second half of the last axis, in float32 (float64 for float64), rounded once."""
    gate, value = x.to(torch.promote_types(x.dtype, torch.float32)).chunk(2, dim=-1)
    return (gate * torch.sigmoid(gate) * value).to(x.dtype)
