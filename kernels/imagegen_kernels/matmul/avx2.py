"""Int8 products on x86 processors with AVX2 and without 8-bit dot products, from packed weights.

oneDNN's own saturate there and are not used. Device code is in avx2_kernels.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from imagegen_kernels import threads
from imagegen_kernels.formats import quantize_binary, quantize_int8, quantize_ternary
from imagegen_kernels.matmul import reference
from imagegen_kernels.matmul.unpacking import RUN, Unpacked

_PIECE = 16
"""Runs whose factors are multiplied in one instruction."""


class Tokens:
    """int8 codes [M, K], K a multiple of 128, as the product wants them."""

    def __init__(self, codes: Tensor) -> None:
        from imagegen_kernels.matmul import avx2_kernels

        self._kernels, (self._count, columns) = avx2_kernels, codes.shape
        self._runs = columns // RUN
        self._padded = -(-self._runs // _PIECE) * _PIECE
        self._codes = torch.empty(self._runs, self._count, RUN, dtype=torch.int8)
        self._sums = torch.empty(self._count, self._padded, dtype=torch.int16)
        sizes, tensors = (self._runs, self._padded), (codes, self._codes, self._sums)
        threads.run(avx2_kernels.arrange.address, self._count, 16, *sizes, *tensors)

    def times(self, weight: Unpacked, rows: slice) -> Callable[[slice], Tensor]:
        """What multiplies some of the tokens with these rows of the weight -> int32 [tokens, R]."""
        factors = weight.run_factors(_PIECE)
        if factors is None:
            codes = weight.codes(rows).contiguous()
            return functools.partial(self._product, 8, codes, codes)
        packed = weight.weight.packed[rows].contiguous()
        return functools.partial(self._product, weight.bits, packed, factors[rows])

    def _product(self, width: int, packed: Tensor, factors: Tensor, part: slice) -> Tensor:
        count, kernels = part.stop - part.start, self._kernels
        sums = torch.empty(count, len(packed), dtype=torch.int32)
        tasks = -(-count // kernels.TOKENS) * -(-len(packed) // kernels.ROWS)
        sizes = count, len(packed), self._runs, self._padded, width, self._count
        tensors = self._codes[:, part], self._sums[part], packed, factors, sums
        threads.run(kernels.multiply.address, tasks, 1, *sizes, *tensors)
        return sums


@functools.cache
def is_exact() -> bool:
    """Whether this processor has AVX2 and gives the reference's integers, tried once at the largest codes."""
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):  # what others have has other names
        return False
    x = torch.full((9, 512), 127, dtype=torch.int8)
    x[1::2], x[2, ::3] = -127, -126
    dense = torch.ones(70, 512)
    dense[1::2], dense[::3, 1::2], dense[5, :128] = -1, -1, 0.5
    tokens = Tokens(x)
    quantizers = quantize_binary, quantize_ternary, quantize_int8
    for weight in (quantize(dense) for quantize in quantizers):
        expected = reference.integer_product(x, reference.fold(weight)[0])
        if not torch.equal(tokens.times(Unpacked(weight), slice(0, 70))(slice(0, 9)), expected):
            return False
    return True
