"""Weights laid out by octets, a byte a code, for x86 processors with AVX2 and without 8-bit dot products.

Small ones stay so, of large ones each call lays out some rows (matmul/avx2.py). The device code is
passes/products.py, which loads without Numba.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from imagegen_kernels.formats import PackedWeight, quantize_binary, quantize_int8, quantize_ternary
from imagegen_kernels.matmul import reference
from imagegen_kernels.matmul.unpacking import RUN, group_factors

if TYPE_CHECKING:
    from imagegen_kernels.passes.machine import Pass

OCTET = 8
"""Rows of a weight that lie together: a register holds four columns of each."""
BLOCK = 2
"""Octets multiplied at a time."""
CHUNK = 64
"""Tokens that are multiplied with one block after the other, at most."""
CHUNK_BYTES = 384 << 10
"""What they are at most: three quarters of a cache of 512 KB."""
ZERO = 128
"""Code of a zero in unsigned tokens."""


class Octets(NamedTuple):
    """Rows of a folded weight [N, K], laid out by eights."""

    codes: Tensor
    """int8 [N / 8, K / 4, 8, 4]: signs of a binary or ternary weight, of others the folded codes"""
    factors: Tensor | None
    """int16 [N / 8, K / 128, 8, 2] by which signs are multiplied, each of them twice"""
    start: Tensor
    """int32 [N] that is added to the product: less what signs give with a token of zeros, else 0"""
    row_scale: Tensor
    """float32 [N]"""


def fits(weight: PackedWeight) -> bool:
    """Whether `lay_out` takes this weight."""
    rows, columns = weight.shape
    return columns % RUN == 0 and rows % OCTET == 0 and rows >= BLOCK * OCTET


def lay_out(weight: PackedWeight) -> Octets:
    """Of a weight that fits; the product is that of `reference.fold`'s codes."""
    rows, columns = weight.shape
    factors, start = None, torch.zeros(rows, dtype=torch.int32)
    if weight.format in ("binary", "ternary"):
        codes, row_scale = weight.codes, weight.scales.float().view(rows, -1)[:, 0]
        small = torch.ones(rows, 1, dtype=torch.int8)
        if weight.group_size < columns:
            row_scale, small = group_factors(weight)
        factors = factors_of_runs(small, columns // RUN, rows // OCTET)
        start -= ZERO * (codes.view(rows, small.shape[1], -1).sum(-1, dtype=torch.int32) * small).sum(-1)
    else:
        codes, row_scale = reference.fold(weight)
    laid = codes.view(rows // OCTET, OCTET, columns // 4, 4).transpose(1, 2).contiguous()
    return Octets(laid, factors, start, row_scale.contiguous())


def factors_of_runs(factors: Tensor, runs: int, octets: int) -> Tensor:
    """int8 [N, G] -> int16 [octets, runs, 8, 2]: of each run of 128 columns, twice; 0 behind the last row."""
    all_rows = torch.zeros(octets * OCTET, runs, dtype=torch.int16)
    all_rows[: len(factors)] = factors.repeat_interleave(runs // factors.shape[1], dim=1)
    of_octets = all_rows.view(octets, OCTET, runs, 1).transpose(1, 2)
    return of_octets.expand(-1, -1, -1, 2).contiguous()


def product(tokens: Tensor, weight: Octets) -> Tensor:
    """Tokens [..., K] as uint8 codes from 128, times the weight transposed -> float32 [..., N]."""
    from imagegen_kernels.passes import products

    in_codes = weight.factors is None
    multiply = products.multiply_codes_scaled if in_codes else products.multiply_signs_scaled
    out = torch.empty(*tokens.shape[:-1], len(weight.start))
    return _run(multiply, tokens, weight, out, weight.row_scale)


def sums(tokens: Tensor, weight: Octets) -> Tensor:
    """As `product`, without the row scales: int32."""
    from imagegen_kernels.passes import products

    multiply = products.multiply_codes if weight.factors is None else products.multiply_signs
    out = torch.empty(*tokens.shape[:-1], len(weight.start), dtype=torch.int32)
    return _run(multiply, tokens, weight, out)


def _run(multiply: Pass, tokens: Tensor, weight: Octets, out: Tensor, *scale: Tensor) -> Tensor:
    octets, columns = len(weight.codes), tokens.shape[-1]
    count = tokens.numel() // columns
    chunk = max(8, min(CHUNK, CHUNK_BYTES // columns // 8 * 8))
    blocks = -(-octets // BLOCK)
    sizes = count, octets, columns // RUN, blocks, chunk
    # Where there are no factors, none are read.
    factors = weight.codes if weight.factors is None else weight.factors
    multiply(blocks * -(-count // chunk), *sizes, tokens, weight.codes, factors, weight.start, out, *scale)
    return out


def has_avx2() -> bool:
    """Whether passes with AVX2's own instructions run here; PyTorch can be told to see less than there is."""
    return torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")  # what others have has other names


def largest() -> tuple[Tensor, list[PackedWeight]]:
    """The largest codes there are: of tokens int8 [9, 512], and weights (72, 512)."""
    x = torch.full((9, 512), 127, dtype=torch.int8)
    x[1::2], x[2, ::3] = -127, -126
    dense = torch.ones(72, 512)
    dense[1::2], dense[::3, 1::2], dense[5, :128] = -1, -1, 0.5
    return x, [quantize(dense) for quantize in (quantize_binary, quantize_ternary, quantize_int8)]


@functools.cache
def is_exact() -> bool:
    """Whether this processor has AVX2 and gives the reference's integers, tried once at the largest codes."""
    if not has_avx2():
        return False
    x, weights = largest()
    for weight in weights:
        codes, row_scale = reference.fold(weight)
        expected = reference.integer_product(x, codes).float() * row_scale
        if not torch.equal(product(x.view(torch.uint8) ^ ZERO, lay_out(weight)), expected):
            return False
    return True
