"""RMS normalisation of query and key heads, then rotary position embedding (Su et al. 2021,
arXiv:2104.09864), as plain PyTorch: the specification."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.rms_norm.reference import rms_norm


def qk_rope(
    q: Tensor,
    k: Tensor,
    q_weight: Tensor,
    k_weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    eps: float,
    interleaved: bool,
) -> tuple[Tensor, Tensor]:
    """Shapes and pairing as `imagegen_kernels.qk_rope`; computed in float32 (float64 for float64), rounded
    once."""
    q_out, k_out = (
        rotate(rms_norm(t.to(torch.promote_types(t.dtype, torch.float32)), w, eps), cos, sin, interleaved).to(
            t.dtype
        )
        for t, w in ((q, q_weight), (k, k_weight))
    )
    return q_out, k_out


def rotate(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool) -> Tensor:
    """Rotate each pair (a, b) of x [B, S, H, D] by its angle: (a cos - b sin, b cos + a sin); cos, sin [S,
    D/2]."""
    cos, sin = (t.to(x.dtype).unsqueeze(1) for t in (cos, sin))
    a, b = (x[..., 0::2], x[..., 1::2]) if interleaved else x.chunk(2, dim=-1)
    turned = (a * cos - b * sin, b * cos + a * sin)
    return torch.stack(turned, dim=-1).flatten(-2) if interleaved else torch.cat(turned, dim=-1)
