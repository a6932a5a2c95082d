"""Quantised matrix product on CPUs with 8-bit dot products (VNNI, AMX), in one of two ways.

A small weight is folded and laid out for oneDNN once (`Kept`): its product is scaled by row on the way out
of the registers. A large one stays packed and is unpacked by every call (matmul/unpacking.py), a block of
rows at a time, and multiplied by `torch._int_mm`, which reads codes where they lie: oneDNN's own layout
takes 21 ms to make for 3072 x 3072. The int32 products of a block become floats while they are in the
cache: 0.15 ms beside 11.2 for 512 tokens. Measured on two Zen 4 cores.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.nn.functional import silu

from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.matmul import reference
from imagegen_kernels.matmul.unpacking import Unpacked, row_blocks
from imagegen_kernels.quantize.cpu import quantize_into, quantize_unsigned

logger = logging.getLogger(__name__)

KEPT_CODES = 4 << 20
"""A weight of at most that many codes is kept as int8, a byte each; a larger one is unpacked by each call."""

TOKENS = 1536
"""Tokens multiplied at a time. Each call of `_int_mm` lays out the weight anew: for 1536 tokens, 3072 columns
and rows, 769 GOP/s with 512 at a time and 860 with all."""

QUANTIZED = 1 << 19
"""Activations quantised at a time: what one pass writes for the next stays in the cache."""

FEWEST = 32
"""Tokens that `_int_mm` gets at least; fewer are filled up with zeros (pytorch/pytorch#195066)."""


class Kept(NamedTuple):
    """A folded weight (N, K), laid out for oneDNN."""

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
    codes = torch.full((64, 256), 127, dtype=torch.int8)
    codes[1::2] = -127
    expected = reference.integer_product(codes, codes)
    kept = product((codes.int() + 128).to(torch.uint8), keep(codes, torch.ones(64)))
    exact = torch.equal(kept, expected.float()) and torch.equal(torch._int_mm(codes, codes.T), expected)
    if not exact:
        logger.warning(
            "This CPU has no 8-bit dot product (VNNI): quantised layers run in exact float32 blocks instead,"
            " about as fast as float32 layers."
        )
    return exact


def prepared(weight: PackedWeight) -> Kept | Unpacked:
    """What `linear` wants of a weight, made by the first call: its int8 codes if they are few or do not suit
    `_int_mm`, else next to nothing."""
    found = weight.prepared.get("cpu")
    if found is None:
        rows, columns = weight.shape
        small = rows * columns <= KEPT_CODES or rows % 64 or columns % 64
        found = weight.prepared["cpu"] = keep(*reference.fold(weight)) if small else Unpacked(weight)
    return cast("Kept | Unpacked", found)


def keep(codes: Tensor, row_scale: Tensor) -> Kept:
    """Lay out int8 codes [N, K] with float32 row scales [N], as `reference.fold` gives them."""
    zero_points = torch.zeros(len(row_scale), dtype=torch.int32)
    return Kept(torch.ops.onednn.qlinear_prepack(codes.contiguous(), None), row_scale, zero_points)


def product(tokens: Tensor, weight: Kept) -> Tensor:
    """Tokens [M, K] as uint8 codes from 128, times the weight transposed -> float32 [M, N]."""
    out: Tensor = torch.ops.onednn.qlinear_pointwise.default(
        tokens, 1.0, 128, *weight, None, 1.0, 0, torch.float32, "none", [], ""
    )
    return out


def linear(x: Tensor, weight: Kept | Unpacked) -> Tensor:
    """x [M, K] times the weight transposed -> [M, N] in the dtype of x; the reference, bit for bit."""
    if isinstance(weight, Unpacked):
        out = x.new_empty(len(x), len(weight.row_scale))
        codes = _Tokens(x)
        for rows in row_blocks(weight.shape[0]):
            for part, block in codes.times(weight, rows):
                out[part, rows].copy_(block)
        return out
    if x.shape[0] > TOKENS:
        return torch.cat([linear(x[part], weight) for part in _parts(len(x), TOKENS)])
    tokens, token_scale = quantize_unsigned(x)
    block = product(tokens, weight).mul_(token_scale)
    return block if x.dtype == torch.float32 else block.to(x.dtype)


def linear_swiglu(x: Tensor, weight: Unpacked, plain: Tensor, gated: Tensor) -> None:
    """As `linear` with rows in three runs: the product with the first goes to `plain` [M, P], silu of the
    second's times the third's to `gated` [M, (N - P) / 2].

    Gates and values never exist at full length: 57 MB of the 85 that a 4B block has for 1536 tokens.
    """
    tokens = _Tokens(x)
    ahead, width = plain.shape[1], gated.shape[1]
    for rows in row_blocks(ahead):
        for part, block in tokens.times(weight, rows):
            plain[part, rows].copy_(block)
    for rows in row_blocks(width):
        gates = slice(ahead + rows.start, ahead + rows.stop)
        values = slice(gates.start + width, gates.stop + width)
        pairs = zip(tokens.times(weight, gates), tokens.times(weight, values), strict=True)
        for (part, gate), (_, value) in pairs:
            gated[part, rows].copy_(silu(gate, inplace=True).mul_(value))


class _Tokens:
    """Activations [M, K] as int8 codes and scales."""

    def __init__(self, x: Tensor) -> None:
        self._count = len(x)
        self._codes = torch.empty(max(len(x), FEWEST), x.shape[1], dtype=torch.int8)
        self._scale = torch.empty(len(self._codes), 1)
        self._codes[len(x) :], self._scale[len(x) :] = 0, 1
        for part in _parts(len(x), max(QUANTIZED // x.shape[1], 1)):
            quantize_into(x[part], self._codes[part], self._scale[part])

    def times(self, weight: Unpacked, rows: slice) -> Iterator[tuple[slice, Tensor]]:
        """Parts of the tokens, and each part's product with these rows of the weight, float32."""
        codes, row_scale = weight.codes(rows).T, weight.row_scale[rows]
        for part in _parts(len(self._codes), TOKENS):
            block = torch._int_mm(self._codes[part], codes).float()
            block.mul_(row_scale).mul_(self._scale[part])
            yield (
                (part, block)
                if len(self._codes) == self._count
                else (slice(self._count), block[: self._count])
            )


def _parts(count: int, most: int) -> list[slice]:
    """Runs of tokens of about equal length, at most `most` each."""
    parts = -(-count // most)
    size = -(-count // max(parts, 1))
    return [slice(start, min(start + size, count)) for start in range(0, count, max(size, 1))]
