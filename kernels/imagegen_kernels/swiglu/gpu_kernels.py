"""SwiGLU gate on a GPU, in Triton. Device code only."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def swiglu(x, out, width, x_stride, out_stride, BLOCK: tl.constexpr):
    """A run of BLOCK channels of one row: x [M, 2 * width] -> out [M, width]."""
    blocks = tl.cdiv(width, BLOCK)
    row = (tl.program_id(0) // blocks).to(tl.int64)
    channel = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    inside = channel < width
    gate = tl.load(x + row * x_stride + channel, mask=inside, other=0).to(tl.float32)
    value = tl.load(x + row * x_stride + width + channel, mask=inside, other=0).to(tl.float32)
    result = gate / (1 + tl.exp(-gate)) * value
    tl.store(out + row * out_stride + channel, result.to(out.dtype.element_ty), mask=inside)
