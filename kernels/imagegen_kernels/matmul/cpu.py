"""Quantised matrix product on CPUs, in one of five ways.

With 8-bit dot products (VNNI, AMX) a small weight is folded and laid out for oneDNN once (`Kept`): its result
is scaled by row on the way out of the registers. A large one stays packed, and every call unpacks it, a block
of rows at a time (matmul/blocked.py). Without them AVX2 multiplies what is laid out for it, once
(matmul/octets.py) or by each call (matmul/avx2.py). A small weight that does not suit that is kept as floats
(`Floats`).
"""

from __future__ import annotations

import functools
import logging
from typing import NamedTuple, cast

import torch
from torch import Tensor

from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.matmul import avx2, blocked, octets, reference
from imagegen_kernels.matmul.octets import Octets
from imagegen_kernels.matmul.unpacking import RUN, Unpacked
from imagegen_kernels.passes.rows import evenly_spread, spread
from imagegen_kernels.quantize.cpu import quantize_unsigned
from imagegen_kernels.quantize.reference import SMALLEST

logger = logging.getLogger(__name__)

KEPT_CODES = 4 << 20
"""A weight of at most that many codes is kept as int8, a byte each, or as floats; a larger one is unpacked by
each call."""


class Kept(NamedTuple):
    """A folded weight (N, K), laid out for oneDNN."""

    codes: Tensor
    """int8, N * K bytes in oneDNN's own layout; only for its operators"""
    row_scale: Tensor
    """float32 [N]"""
    zero_points: Tensor
    """int32 [N], all 0"""


class Floats(NamedTuple):
    """A folded weight (N, K), for products in float32 that are exact."""

    blocks: list[Tensor]
    """codes float32 [k, N], at most `reference.EXACT_COLUMNS` columns each"""
    row_scale: Tensor
    """float32 [N]"""


Small = Kept | Floats | Octets
"""What becomes of a small weight."""


@functools.cache
def is_exact() -> bool:
    """Whether the int8 product of this machine is exact; if not, say so once.

    oneDNN saturates sums of two products to 16 bits on CPUs without 8-bit dot products (AVX2, AVX-512 without
    VNNI); that shows on the largest codes. Takes about a millisecond.
    """
    codes = torch.full((64, 256), 127, dtype=torch.int8)
    codes[1::2] = -127
    expected = reference.integer_product(codes, codes)
    kept = product((codes.int() + 128).to(torch.uint8), keep(codes, torch.ones(64)))
    exact = torch.equal(kept, expected.float()) and torch.equal(torch._int_mm(codes, codes.T), expected)
    if not exact:
        logger.warning(
            "This CPU has no 8-bit dot product (VNNI): quantised layers run by AVX2, or in exact float32."
        )
    return exact


def suits(weight: PackedWeight) -> bool:
    """Whether `linear` takes this weight here."""
    return is_exact() or _is_small(weight) or (weight.shape[1] % RUN == 0 and avx2.is_exact())


def prepared(weight: PackedWeight) -> Small | Unpacked:
    """What `linear` wants of a weight that suits, made by the first call: its codes if they are few or do not
    suit `_int_mm`, else next to nothing."""
    found = weight.prepared.get("cpu")
    if found is None:
        if not is_exact():
            found = _without_dot_products(weight) if _is_small(weight) else Unpacked(weight, avx2=True)
        elif _is_small(weight) or weight.shape[0] % 64 or weight.shape[1] % 64:
            found = keep(*reference.fold(weight))
        else:
            found = Unpacked(weight)
        weight.prepared["cpu"] = found
    return cast("Small | Unpacked", found)


def _is_small(weight: PackedWeight) -> bool:
    return weight.shape[0] * weight.shape[1] <= KEPT_CODES


def _without_dot_products(weight: PackedWeight) -> Octets | Floats:
    if octets.fits(weight) and octets.is_exact():
        return octets.lay_out(weight)
    codes, row_scale = reference.fold(weight)
    return Floats([part.float().T for part in torch.split(codes, reference.EXACT_COLUMNS, dim=1)], row_scale)


def keep(codes: Tensor, row_scale: Tensor) -> Kept:
    """Lay out int8 codes [N, K] with float32 row scales [N], as `reference.fold` gives them."""
    zero_points = torch.zeros(len(row_scale), dtype=torch.int32)
    return Kept(torch.ops.onednn.qlinear_prepack(codes.contiguous(), None), row_scale, zero_points)


def product(tokens: Tensor, weight: Kept | Octets) -> Tensor:
    """Tokens [..., K] as uint8 codes from 128, times the weight transposed -> float32 [..., N]."""
    if isinstance(weight, Octets):
        return octets.product(tokens, weight)
    out: Tensor = torch.ops.onednn.qlinear_pointwise.default(
        tokens, 1.0, 128, *weight, None, 1.0, 0, torch.float32, "none", [], ""
    )
    return out


def linear(x: Tensor, weight: Small | Unpacked) -> Tensor:
    """x [..., K] times the weight transposed -> [..., N] in the dtype of x; the reference, bit for bit."""
    if isinstance(weight, Unpacked):
        tokens = blocked.linear(x.reshape(-1, x.shape[-1]), weight)
        return tokens.view(*x.shape[:-1], weight.shape[0])
    products, token_scale = _unscaled(x, weight)
    products.mul_(token_scale)
    return products if x.dtype == torch.float32 else products.to(x.dtype)


def linear_swiglu(x: Tensor, weight: Small, ahead: int, out: Tensor) -> Tensor:
    """x [..., K], float32 -> the product with the first `ahead` rows [..., ahead], a view, and of the rest
    silu(gate) * value to out [..., (N - ahead) / 2]."""
    from imagegen_kernels.passes import tokens

    apart = spread(out)
    if apart is None:
        together = torch.empty(out.shape)
        plain = linear_swiglu(x, weight, ahead, together)
        out.copy_(together)
        return plain
    products, token_scale = _unscaled(x, weight)
    tokens.finish_swiglu(token_scale.numel(), ahead, out.shape[-1], apart, products, token_scale, out)
    return products[..., :ahead]


def linear_residual(x: Tensor, weight: Small, before: Tensor, gate: Tensor) -> Tensor:
    """before [..., N] + gate [N] * (x [..., K] times the weight transposed), all float32."""
    from imagegen_kernels.passes import tokens

    products, token_scale = _unscaled(x, weight)
    before, apart = evenly_spread(before)
    rows = token_scale.numel()
    tokens.finish_residual(rows, before.shape[-1], apart, products, token_scale, gate.contiguous(), before)
    return products


def _unscaled(x: Tensor, weight: Small) -> tuple[Tensor, Tensor]:
    """As `linear`, but float32 and without the scales of tokens [..., 1], which come beside it: what finishes
    a product applies them in the same pass."""
    if isinstance(weight, Floats):
        return _float_products(x, weight)
    if 0 < x.numel() <= blocked.TOKENS * x.shape[-1]:
        codes, token_scale = quantize_unsigned(x)
        return product(codes, weight), token_scale
    shape, rows = x.shape[:-1], x.reshape(-1, x.shape[-1])
    products, token_scale = torch.empty(len(rows), len(weight.row_scale)), torch.empty(len(rows), 1)
    for part in blocked.parts(len(rows), blocked.TOKENS):
        codes, token_scale[part] = quantize_unsigned(rows[part])
        products[part] = product(codes, weight)
    return products.view(*shape, len(weight.row_scale)), token_scale.view(*shape, 1)


def _float_products(x: Tensor, weight: Floats) -> tuple[Tensor, Tensor]:
    """`_unscaled` by the blocks of `reference.int8_linear`, whose codes are made floats by each call."""
    wide = x.float()
    scale = wide.abs().amax(-1, keepdim=True).clamp_min_(SMALLEST) / 127
    tokens = (wide / scale).round_()
    start, total = 0, None
    for block in weight.blocks:
        product = tokens[..., start : start + len(block)] @ block
        start += len(block)
        # Sums of several blocks are exact as integers, and no longer as floats.
        total = (
            product if len(weight.blocks) == 1 else product.int() if total is None else total + product.int()
        )
    assert total is not None
    return (total * weight.row_scale).contiguous(), scale.contiguous()
