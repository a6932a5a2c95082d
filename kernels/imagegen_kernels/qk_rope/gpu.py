"""RMS normalisation and rotation on a GPU: queries and keys where the projection left them, read once and
written once."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.launch import launch

HEADS = 16
"""Heads a program."""


def suits(qk: Tensor) -> bool:
    """Whether `qk_rope` takes qk: 16 or 32 bits a value, a power of two of channels a head."""
    channels = qk.shape[3]
    narrow = qk.dtype in (torch.float32, torch.float16, torch.bfloat16)
    return narrow and channels & (channels - 1) == 0 and channels <= 512


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
    """As `reference.qk_rope`, to rounding."""
    from imagegen_kernels.qk_rope import gpu_kernels

    batch, length, count, channels = qk.shape
    qk = qk if qk.stride(3) == 1 else qk.contiguous()
    out = torch.empty_like(qk, memory_format=torch.contiguous_format)
    if out.numel():
        launch(
            gpu_kernels.qk_rope,
            batch * length * -(-count // HEADS),
            4,
            1,
            qk=qk,
            q_weight=q_weight.contiguous(),
            k_weight=k_weight.contiguous(),
            cos=cos.contiguous(),
            sin=sin.contiguous(),
            out=out,
            heads=heads,
            count=count,
            length=length,
            sample_stride=qk.stride(0),
            token_stride=qk.stride(1),
            head_stride=qk.stride(2),
            eps=eps,
            INTERLEAVED=interleaved,
            CHANNELS=channels,
            HEADS=HEADS,
        )
    return out[:, :, :heads], out[:, :, heads:]
