"""Int8 products with large weights on x86 processors with AVX2 and without 8-bit dot products.

oneDNN's own saturate there and are not used. Some rows of a weight are laid out from their packed codes, as a
small weight is once (matmul/octets.py), and multiplied. Device code is in passes/layouts.py and products.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from imagegen_kernels.matmul import octets, reference
from imagegen_kernels.matmul.octets import BLOCK, OCTET, ZERO, Octets
from imagegen_kernels.matmul.unpacking import RUN, Unpacked, row_blocks


class Tokens:
    """int8 codes [M, K], K a multiple of 128, as the product wants them."""

    def __init__(self, codes: Tensor) -> None:
        self._codes = codes.view(torch.uint8) ^ ZERO

    def times(self, weight: Unpacked, rows: slice) -> Callable[[slice], Tensor]:
        """What multiplies some of the tokens with these rows of the weight -> int32 [tokens, R]."""
        if weight.of_zeros is None:
            weight.of_zeros = _product_with_zeros(weight)
        laid = _lay_out(weight, rows, weight.of_zeros[rows])
        count = rows.stop - rows.start
        return lambda part: octets.sums(self._codes[part], laid)[:, :count].contiguous()


def _lay_out(weight: Unpacked, rows: slice, of_zeros: Tensor) -> Octets:
    from imagegen_kernels.passes import layouts

    count, runs = rows.stop - rows.start, weight.shape[1] // RUN
    number = max(-(-count // OCTET), BLOCK)
    if weight.factors is None:
        lay_out, packed, factors = layouts.lay_out_codes, weight.codes(rows), None
    else:
        ternary = weight.weight.format == "ternary"
        lay_out = layouts.lay_out_ternary if ternary else layouts.lay_out_binary
        packed = weight.weight.packed[rows]
        factors = octets.factors_of_runs(weight.factors[rows], runs, number)
    codes = torch.empty(number, runs * RUN // 4, OCTET, 4, dtype=torch.int8)
    lay_out(number, count, runs, packed.contiguous(), codes)
    start = functional.pad(-of_zeros, (0, number * OCTET - count))
    return Octets(codes, factors, start, weight.row_scale[rows])


def _product_with_zeros(weight: Unpacked) -> Tensor:
    """int32 [N]; a zero's code is 128."""
    zeros = torch.full((1, weight.shape[1]), ZERO, dtype=torch.uint8)
    found = torch.empty(weight.shape[0], dtype=torch.int32)
    for rows in row_blocks(weight.shape[0]):
        nothing = torch.zeros(rows.stop - rows.start, dtype=torch.int32)
        found[rows] = octets.sums(zeros, _lay_out(weight, rows, nothing))[0, : len(nothing)]
    return found


@functools.cache
def is_exact() -> bool:
    """As `octets.is_exact`, of rows that each call lays out, whose number is any."""
    if not octets.has_avx2():
        return False
    x, weights = octets.largest()
    tokens = Tokens(x)
    for weight in weights:
        expected = reference.integer_product(x, reference.fold(weight)[0][:70])
        if not torch.equal(tokens.times(Unpacked(weight), slice(0, 70))(slice(0, 9)), expected):
            return False
    return True
