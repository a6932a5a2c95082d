"""Quantised matrix product on a CPU with 8-bit dot products (AVX-512 VNNI, AVX-VNNI, AMX).

The int8 codes are multiplied where they lie, by oneDNN through `torch._int_mm`. Its `qlinear` on prepacked
weights was as fast a product (3072 x 9216, 768 tokens, one Zen 5 core: 50-62 ms both; bfloat16 103 ms),
slower for few tokens (one token, 384 x 1152: 37 us against 9 us), and needs a second copy of the weights.
"""

from __future__ import annotations

import functools
import logging

import torch
from torch import Tensor

from imagegen_kernels.matmul import reference
from imagegen_kernels.quantize.reference import quantize

logger = logging.getLogger(__name__)

TOKENS = 256
"""Tokens multiplied at a time: bounds the int32 product to N KiB and saves a tenth of the time where N is
large."""


@functools.cache
def is_exact() -> bool:
    """Whether the int8 product of this machine is exact; if not, say so once.

    oneDNN saturates sums of two products to 16 bits on CPUs without 8-bit dot products (AVX2, AVX-512 without
    VNNI); that shows on the largest codes. Takes less than a millisecond.
    """
    x = torch.full((32, 256), 127, dtype=torch.int8)
    x[1::2] = -127
    exact = torch.equal(torch._int_mm(x, x.T), reference.integer_product(x, x))
    if not exact:
        logger.warning(
            "This CPU has no 8-bit dot product (VNNI): quantised layers run in exact float32 blocks instead,"
            " about as fast as float32 layers."
        )
    return exact


def int8_linear(x: Tensor, codes: Tensor, row_scale: Tensor) -> Tensor:
    """As `reference.int8_linear`, bit for bit."""
    if not is_exact() or x.shape[1] == 1:  # with K = 1, torch._int_mm leaves its output unwritten (2.13)
        return reference.int8_linear(x, codes, row_scale)
    codes = _plain_strides(codes)
    out = x.new_empty(x.shape[0], codes.shape[0])
    for start in range(0, x.shape[0], TOKENS):
        block = slice(start, start + TOKENS)
        tokens, token_scale = quantize(x[block])
        product = torch._int_mm(_plain_strides(tokens), codes.T)
        # Converted first, then scaled in place: int32 * float32 in one call takes ten times as long.
        scaled = torch.empty_like(product, dtype=torch.float32) if out.dtype != torch.float32 else out[block]
        scaled.copy_(product).mul_(row_scale).mul_(token_scale)
        if scaled.dtype != out.dtype:
            out[block] = scaled
    return out


def _plain_strides(x: Tensor) -> Tensor:
    """x [R, C] with strides (C, 1), even where R = 1 makes any stride legal.

    For a stride below C, `torch._int_mm` leaves its output unwritten (pytorch/pytorch#195066).
    """
    return x.reshape(-1).view(x.shape)
