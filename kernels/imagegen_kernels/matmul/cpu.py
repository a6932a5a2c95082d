"""Quantised matrix product by oneDNN's qlinear, on CPUs with 8-bit dot products (VNNI, AMX).

The weight is folded and laid out for oneDNN once. A call quantises its tokens, multiplies, and scales the
product by token; oneDNN has scaled it by row on the way out of the registers.

`torch._int_mm` is as fast a product and would read the codes where they lie, but its int32 result costs three
more passes: 728 us against 596 for 96 tokens, 384 -> 3456, and 29.5 ms against 21.6 for 768, 3072 -> 3072
(bfloat16 954 us and 41 ms; one Zen 5 core). It also leaves its output unwritten for some sizes and strides
(pytorch/pytorch#195066).
"""

from __future__ import annotations

import functools
import logging
from typing import NamedTuple

import torch
from torch import Tensor

from imagegen_kernels.matmul import reference
from imagegen_kernels.quantize.cpu import quantize

logger = logging.getLogger(__name__)

FLIP = torch.tensor(128, dtype=torch.uint8)
"""As a tensor, because a Python number is made into one at every call: 1 us of it."""

TOKENS = 256
"""Tokens multiplied at a time: bounds the float32 product to N KiB; a tenth faster where N is large."""


class Prepared(NamedTuple):
    """A folded weight (N, K), ready for oneDNN."""

    codes: Tensor
    """int8, N * K bytes in oneDNN's own layout; only for its operators"""
    row_scale: Tensor
    """float32 [N]"""
    zero_points: Tensor
    """int32 [N], all 0"""


@functools.cache
def is_exact() -> bool:
    """Whether the int8 product of this machine is exact; if not, say so once.

    oneDNN saturates sums of two products to 16 bits on CPUs without 8-bit dot products (AVX2, AVX-512 without
    VNNI); that shows on the largest codes. Takes about a millisecond.
    """
    codes = torch.full((32, 256), 127, dtype=torch.int8)
    codes[1::2] = -127
    prepared = prepare(codes, torch.ones(32))
    exact = torch.equal(product(codes.clone(), prepared), reference.integer_product(codes, codes).float())
    if not exact:
        logger.warning(
            "This CPU has no 8-bit dot product (VNNI): quantised layers run in exact float32 blocks instead,"
            " about as fast as float32 layers."
        )
    return exact


def prepare(codes: Tensor, row_scale: Tensor) -> Prepared:
    """Lay out int8 codes [N, K] with float32 row scales [N], as `reference.fold` gives them."""
    zero_points = torch.zeros(len(row_scale), dtype=torch.int32)
    return Prepared(torch.ops.onednn.qlinear_prepack(codes.contiguous(), None), row_scale, zero_points)


def product(tokens: Tensor, weight: Prepared) -> Tensor:
    """int8 tokens [M, K] times the weight transposed -> float32 [M, N]. Overwrites the tokens."""
    # oneDNN is fast for unsigned activations only: flip the top bit, which adds 128, the zero point.
    unsigned = tokens.contiguous().view(torch.uint8).bitwise_xor_(FLIP)
    out: Tensor = torch.ops.onednn.qlinear_pointwise.default(
        unsigned, 1.0, 128, *weight, None, 1.0, 0, torch.float32, "none", [], ""
    )
    return out


def linear(x: Tensor, weight: Prepared) -> Tensor:
    """x [M, K] times the weight transposed -> [M, N] in the dtype of x; the reference, bit for bit."""
    if x.shape[0] <= TOKENS:
        tokens, token_scale = quantize(x)
        out = product(tokens, weight).mul_(token_scale)
        return out if x.dtype == torch.float32 else out.to(x.dtype)
    out = x.new_empty(len(x), len(weight.row_scale))
    for start in range(0, len(x), TOKENS):
        block = slice(start, start + TOKENS)
        out[block] = linear(x[block], weight)
    return out
