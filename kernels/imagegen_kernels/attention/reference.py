"""Softmax attention as plain PyTorch: the specification."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def attention(
    q: Tensor, k: Tensor, v: Tensor, key_mask: Tensor | None = None, causal: bool = False
) -> Tensor:
    """softmax(q k^T / sqrt(D)) v over the visible keys, computed in float32 (float64 for float64); no
    visible key: 0.

    Shapes as `imagegen_kernels.attention`.
    """
    wide = torch.promote_types(q.dtype, torch.float32)
    shared = q.shape[1] // k.shape[1]
    k, v = (t.to(wide).repeat_interleave(shared, dim=1) for t in (k, v))
    visible = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device)
    if causal:
        visible = visible.tril()
    if key_mask is not None:
        visible = visible & key_mask[:, None, None, :]
    scores = (q.to(wide) @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).masked_fill(~visible, -torch.inf)
    return (scores.softmax(dim=-1).masked_fill(~visible, 0) @ v).to(q.dtype)
