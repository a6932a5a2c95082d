"""Gated residual sum on a GPU, in Triton. Device code only."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["sample"])
def gated_residual(
    x,  # [M, D]
    gate,  # [samples or 1, D]
    y,  # [M, D]
    out,  # [M, D]
    channels,
    sample,  # tokens of a sample
    x_stride,
    y_stride,
    gate_stride,
    BLOCK: tl.constexpr,
):
    """A run of BLOCK channels of one token: x + gate * y."""
    blocks = tl.cdiv(channels, BLOCK)
    token = (tl.program_id(0) // blocks).to(tl.int64)
    channel = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    inside = channel < channels
    before = tl.load(x + token * x_stride + channel, mask=inside, other=0).to(tl.float32)
    opening = tl.load(gate + token // sample * gate_stride + channel, mask=inside, other=0).to(tl.float32)
    added = tl.load(y + token * y_stride + channel, mask=inside, other=0).to(tl.float32)
    result = before + opening * added
    tl.store(out + token * channels + channel, result.to(out.dtype.element_ty), mask=inside)
