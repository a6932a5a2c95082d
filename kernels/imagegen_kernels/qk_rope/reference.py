"""RMS normalisation of query and key heads, then rotary position embedding (Su et al. 2021,
arXiv:2104.09864), as plain PyTorch: the specification."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.rms_norm.reference import rms_norm


def qk_rope(
    qk: Tensor,
    heads: int,
    q_weight: Tensor,
    k_weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    eps: float,
    interleaved: bool,
) -> tuple[Tensor, Tensor]:
    """Shapes and pairs as `imagegen_kernels.qk_rope`; float32 (float64 for float64) inside, rounded once."""

    def turned(x: Tensor, weight: Tensor) -> Tensor:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        return rotate(rms_norm(wide, weight, eps), cos, sin, interleaved).to(x.dtype)

    return turned(qk[:, :, :heads], q_weight), turned(qk[:, :, heads:], k_weight)


def rotate(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool) -> Tensor:
    """Rotate each pair (a, b) of x [B, S, H, D] to (a cos - b sin, b cos + a sin); cos, sin [S, D/2]."""
    cos, sin = (t.to(x.dtype).unsqueeze(1) for t in (cos, sin))
    a, b = (x[..., 0::2], x[..., 1::2]) if interleaved else x.chunk(2, dim=-1)
    turned = (a * cos - b * sin, b * cos + a * sin)
    return torch.stack(turned, dim=-1).flatten(-2) if interleaved else torch.cat(turned, dim=-1)
