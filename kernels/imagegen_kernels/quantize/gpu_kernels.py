"""Per-token int8 quantisation on a GPU, in Triton. Device code only."""

from __future__ import annotations

import triton
import triton.language as tl

SMALLEST = tl.constexpr(1e-30)
"""`reference.SMALLEST`"""

ROUNDER = tl.constexpr(12582912.0)
"""1.5 * 2^23: float32 has no digits behind the point there, so that adding and subtracting it rounds, half to
even, what lies within 2^22."""


@triton.jit
def codes_of(x):
    """A token's float32 values, zeros behind its end -> int8 codes and the scale, as the reference's."""
    largest = tl.maximum(tl.max(tl.abs(x), 0), SMALLEST)
    spoiled = tl.max((x != x).to(tl.int32), 0)  # `max` passes over NaN
    scale = tl.div_rn(tl.where(spoiled > 0, float("nan"), largest), 127.0)
    scaled = tl.div_rn(x, scale)
    scaled = tl.where(scaled == scaled, scaled, 0)  # no code is defined for NaN
    return ((scaled + ROUNDER) - ROUNDER).to(tl.int8), scale


@triton.jit
def quantize(x, codes, scale, columns, x_stride, BLOCK: tl.constexpr):
    """One token: x [M, K] -> codes int8 [M, K] and scale float32 [M]."""
    token = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < columns
    values = tl.load(x + token * x_stride + column, mask=inside, other=0).to(tl.float32)
    found, token_scale = codes_of(values)
    tl.store(codes + token * columns + column, found, mask=inside)
    tl.store(scale + token, token_scale)
