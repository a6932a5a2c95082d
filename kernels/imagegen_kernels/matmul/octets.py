"""Small binary and ternary weights on x86 processors with AVX2 and without 8-bit dot products: a byte a code.

Three times as fast as codes kept as floats. The device code is passes/products.py, which loads without Numba.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch
from torch import Tensor

from imagegen_kernels.formats import PackedWeight, quantize_binary, quantize_ternary
from imagegen_kernels.matmul import reference
from imagegen_kernels.matmul.unpacking import RUN, group_factors

OCTET = 8
"""Rows of a weight that lie together: a register holds four columns of each."""
BLOCK = 2
"""Octets multiplied at a time."""
CHUNK = 64
"""Tokens that are multiplied with one block after the other: 24 KB of 384 channels, which the smallest cache
holds."""


class Octets(NamedTuple):
    """A folded weight (N, K), its rows laid out by eights: codes are signs times a factor of their group."""

    signs: Tensor
    """int8 [N / 8, K / 4, 8, 4]"""
    factors: Tensor
    """int16 [N / 8, K / 128, 8, 2], each of them twice"""
    start: Tensor
    """int32 [N], what the 128 that tokens begin at is to be less"""
    row_scale: Tensor
    """float32 [N]"""


def fits(weight: PackedWeight) -> bool:
    """Whether `lay_out` takes this weight."""
    rows, columns = weight.shape
    in_runs = columns % RUN == 0 and rows % OCTET == 0 and rows >= BLOCK * OCTET
    return in_runs and weight.format in ("binary", "ternary")


def lay_out(weight: PackedWeight) -> Octets:
    """Of a weight that fits; the product is that of `reference.fold`'s codes."""
    (rows, columns), codes = weight.shape, weight.codes
    row_scale, factors = weight.scales.float().view(rows, -1)[:, 0], torch.ones(rows, 1, dtype=torch.int8)
    if weight.group_size < columns:
        row_scale, factors = group_factors(weight)
    octets, runs = rows // OCTET, columns // RUN
    of_runs = factors.to(torch.int16).repeat_interleave(runs // factors.shape[1], dim=1)
    sums = (codes.view(rows, runs, RUN).sum(-1, dtype=torch.int32) * of_runs).sum(-1, dtype=torch.int32)
    signs = codes.view(octets, OCTET, columns // 4, 4).transpose(1, 2).contiguous()
    twice = of_runs.view(octets, OCTET, runs, 1).transpose(1, 2).expand(-1, -1, -1, 2)
    return Octets(signs, twice.contiguous(), -128 * sums, row_scale.contiguous())


def product(tokens: Tensor, weight: Octets) -> Tensor:
    """Tokens [..., K] as uint8 codes from 128, times the weight transposed -> float32 [..., N]."""
    from imagegen_kernels.passes.products import multiply_octets

    rows, count = len(weight.row_scale), tokens.numel() // tokens.shape[-1]
    octets, runs = weight.factors.shape[:2]
    blocks, chunks = -(-octets // BLOCK), -(-count // CHUNK)
    out = torch.empty(*tokens.shape[:-1], rows)
    multiply_octets(blocks * chunks, count, octets, runs, blocks, tokens, *weight, out)
    return out


@functools.cache
def is_exact() -> bool:
    """Whether this processor has AVX2 and gives the reference's integers, tried once at the largest codes."""
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):  # what others have has other names
        return False
    x = torch.full((9, 256), 127, dtype=torch.int8)
    x[1::2], x[2, ::3] = -127, -126
    dense = torch.ones(24, 256)
    dense[1::2], dense[::3, 1::2], dense[5, :128] = -1, -1, 0.5
    for weight in (quantize_binary(dense), quantize_ternary(dense)):
        codes, row_scale = reference.fold(weight)
        expected = reference.integer_product(x, codes).float() * row_scale
        if not torch.equal(product((x.short() + 128).to(torch.uint8), lay_out(weight)), expected):
            return False
    return True
