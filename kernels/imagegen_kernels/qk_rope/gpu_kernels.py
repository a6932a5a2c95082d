"""RMS normalisation and rotation on a GPU, in Triton. Device code only."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["length"])
def qk_rope(
    qk,  # [B, S, C, D], channels dense
    q_weight,  # [D]
    k_weight,  # [D]
    cos,  # [S, D / 2]
    sin,  # [S, D / 2]
    out,  # [B, S, C, D], dense
    heads,  # of queries
    count,  # C: heads of queries and keys
    length,  # S
    sample_stride,
    token_stride,
    head_stride,
    eps,
    INTERLEAVED: tl.constexpr,
    CHANNELS: tl.constexpr,
    HEADS: tl.constexpr,
):
    """HEADS heads of one token, normalised, weighted and turned; queries and keys alike."""
    HALF: tl.constexpr = CHANNELS // 2
    blocks = tl.cdiv(count, HEADS)
    token = tl.program_id(0) // blocks
    head = tl.program_id(0) % blocks * HEADS + tl.arange(0, HEADS)
    inside = (head < count)[:, None]
    channel = tl.arange(0, CHANNELS)
    start = (token // length).to(tl.int64) * sample_stride + (token % length).to(tl.int64) * token_stride
    at = qk + start + head[:, None] * head_stride + channel[None, :]
    x = tl.load(at, mask=inside, other=0).to(tl.float32)
    of_queries = tl.load(q_weight + channel).to(tl.float32)
    of_keys = tl.load(k_weight + channel).to(tl.float32)
    weight = tl.where((head < heads)[:, None], of_queries[None, :], of_keys[None, :])
    x = x * tl.rsqrt(tl.sum(x * x, 1) / CHANNELS + eps)[:, None] * weight
    if INTERLEAVED:
        a, b = tl.split(tl.reshape(x, (HEADS, HALF, 2)))
    else:
        a, b = tl.split(tl.permute(tl.reshape(x, (HEADS, 2, HALF)), (0, 2, 1)))
    angle = token % length * HALF + tl.arange(0, HALF)
    c, s = tl.load(cos + angle).to(tl.float32)[None, :], tl.load(sin + angle).to(tl.float32)[None, :]
    turned = tl.join(a * c - b * s, b * c + a * s)
    if INTERLEAVED:
        turned = tl.reshape(turned, (HEADS, CHANNELS))
    else:
        turned = tl.reshape(tl.permute(turned, (0, 2, 1)), (HEADS, CHANNELS))
    place = (token.to(tl.int64) * count + head[:, None]) * CHANNELS + channel[None, :]
    tl.store(out + place, turned.to(out.dtype.element_ty), mask=inside)
