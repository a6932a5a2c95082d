"""Adaptive layer normalisation on a GPU, in Triton, with the quantisation of its result. Device code only."""

from __future__ import annotations

import triton
import triton.language as tl

from imagegen_kernels.quantize.gpu_kernels import codes_of


@triton.jit(do_not_specialize=["sample"])
def modulate(
    x,  # [M, D]
    shift,  # [samples or 1, D]
    scale,  # [samples or 1, D]
    out,  # [M, D]; int8 codes with QUANTIZE
    token_scale,  # float32 [M], with QUANTIZE
    channels,
    sample,  # tokens of a sample
    x_stride,
    shift_stride,
    scale_stride,
    eps,
    QUANTIZE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One token of `reference.modulate`, and with QUANTIZE what `quantize` makes of it."""
    token = tl.program_id(0).to(tl.int64)
    channel = tl.arange(0, BLOCK)
    inside = channel < channels
    KIND: tl.constexpr = x.dtype.element_ty
    values = tl.load(x + token * x_stride + channel, mask=inside, other=0).to(tl.float32)
    centred = tl.where(inside, values - tl.sum(values, 0) / channels, 0)
    normed = centred * tl.rsqrt(tl.sum(centred * centred, 0) / channels + eps)
    which = token // sample
    stretch = tl.load(scale + which * scale_stride + channel, mask=inside, other=0).to(tl.float32)
    moved = tl.load(shift + which * shift_stride + channel, mask=inside, other=0).to(tl.float32)
    result = (normed * (1 + stretch) + moved).to(KIND)
    if QUANTIZE:
        codes, found = codes_of(result.to(tl.float32))
        tl.store(out + token * channels + channel, codes, mask=inside)
        tl.store(token_scale + token, found)
    else:
        tl.store(out + token * channels + channel, result, mask=inside)
