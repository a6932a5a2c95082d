"""Adaptive layer normalisation on a GPU: one program a token, one reading and one writing of it."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.launch import launch, row_block


def modulate(x: Tensor, shift: Tensor, scale: Tensor, eps: float) -> Tensor:
    """As `reference.modulate`, to rounding."""
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    _run(x, shift, scale, eps, out, None)
    return out


def modulate_quantize(x: Tensor, shift: Tensor, scale: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """As `reference.modulate_quantize`: codes int8 [B, S, D] and scales float32 [B, S, 1]."""
    codes = torch.empty(x.shape, dtype=torch.int8, device=x.device)
    token_scale = torch.empty(*x.shape[:2], 1, dtype=torch.float32, device=x.device)
    _run(x, shift, scale, eps, codes, token_scale)
    return codes, token_scale


def _run(
    x: Tensor, shift: Tensor, scale: Tensor, eps: float, out: Tensor, token_scale: Tensor | None
) -> None:
    from imagegen_kernels.modulate import gpu_kernels

    batch, sample, channels = x.shape
    rows = x.reshape(-1, channels)
    rows = rows if rows.stride(-1) == 1 else rows.contiguous()
    shifts, scales = (vector.reshape(-1, channels).contiguous() for vector in (shift, scale))
    block, warps = row_block(channels)
    if not len(rows):
        return
    launch(
        gpu_kernels.modulate,
        len(rows),
        warps,
        1,
        x=rows,
        shift=shifts,
        scale=scales,
        out=out,
        token_scale=out if token_scale is None else token_scale,
        channels=channels,
        sample=sample,
        x_stride=rows.stride(0),
        shift_stride=channels if len(shifts) == batch else 0,
        scale_stride=channels if len(scales) == batch else 0,
        eps=eps,
        QUANTIZE=token_scale is not None,
        BLOCK=block,
    )
