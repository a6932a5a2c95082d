"""The product with a weight that stays packed: block by block, multiplied in int8, and finished while the
cache holds it.

What multiplies is `_int_mm`, for which a block is unpacked, or AVX2 where that is not exact (matmul/avx2.py).
`_int_mm` reads codes where they lie; oneDNN's own layout takes 21 ms to make for 3072 x 3072 and its product
is no faster. What stands around it is compiled (cpu_kernels), for it would be a fifth of the time: of 512
tokens times 3072 x 3072, in processor ms of one Zen 4 core, the product takes 22.5, quantising 0.3 (in
PyTorch's operators 1.0), unpacking 0.2 (2.2), scaling and rounding 0.2 (0.8).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from imagegen_kernels import threads
from imagegen_kernels.matmul import avx2
from imagegen_kernels.matmul.unpacking import Unpacked, row_blocks

TOKENS = 1536
"""Tokens multiplied at a time. Each call of `_int_mm` lays out the weight anew: for 1536 tokens, 3072 columns
and rows, 769 GOP/s with 512 at a time and 860 with all."""

FEWEST = 32
"""Tokens that `_int_mm` gets at least; fewer are filled up with zeros (pytorch/pytorch#195066)."""

EACH = 16
"""Tokens a thread quantises or finishes before it asks for more."""


def linear(x: Tensor, weight: Unpacked) -> Tensor:
    """x [M, K] times the weight transposed -> [M, N] in the dtype of x; the reference, bit for bit."""
    out = x.new_empty(len(x), len(weight.row_scale))
    if x.dtype not in _NATIVE:
        return out.copy_(linear(x.float(), weight))
    tokens = _Tokens(x, weight)
    for rows in row_blocks(weight.shape[0]):
        tokens.multiply(rows, out[:, rows])
    return out


def linear_swiglu(x: Tensor, weight: Unpacked, plain: Tensor, gated: Tensor) -> None:
    """As `linear` with rows in three runs: the product with the first goes to `plain` [M, P], silu of the
    second's times the third's to `gated` [M, (N - P) / 2].

    Gates and values never exist at full length: 57 MB of the 85 that a 4B block has for 1536 tokens.
    """
    if x.dtype not in _NATIVE or gated.stride(1) != 1:
        wide_plain, wide_gated = torch.empty(plain.shape), torch.empty(gated.shape)
        linear_swiglu(x.float(), weight, wide_plain, wide_gated)
        plain.copy_(wide_plain)
        gated.copy_(wide_gated)
        return
    tokens = _Tokens(x, weight)
    ahead, width = plain.shape[1], gated.shape[1]
    for rows in row_blocks(ahead):
        tokens.multiply(rows, plain[:, rows])
    for rows in row_blocks(width):
        gates = slice(ahead + rows.start, ahead + rows.stop)
        values = slice(gates.start + width, gates.stop + width)
        tokens.multiply_gated(gates, values, gated[:, rows])


_NATIVE = (torch.float32, torch.bfloat16)


class _Tokens:
    """Activations [M, K], float32 or bfloat16, as int8 codes and scales, for rows of `weight`."""

    def __init__(self, x: Tensor, weight: Unpacked) -> None:
        from imagegen_kernels import cpu_kernels

        self._kernels, self._weight, (self._count, columns) = cpu_kernels, weight, x.shape
        x = x if x.stride(1) == 1 else x.contiguous()
        codes = torch.empty(
            self._count if weight.avx2 else max(self._count, FEWEST), columns, dtype=torch.int8
        )
        codes[self._count :] = 0
        self._scale = torch.empty(self._count)
        sizes = columns, x.dtype == torch.bfloat16, x.stride(0)
        threads.run(cpu_kernels.quantize.address, self._count, EACH, *sizes, x, codes, self._scale)
        self._codes: avx2.Tokens | _Plain = avx2.Tokens(codes) if weight.avx2 else _Plain(codes)
        self._parts = parts(len(codes), TOKENS)

    def multiply(self, rows: slice, out: Tensor) -> None:
        """The product with these rows of the weight, into `out` [M, R]."""
        product, row_scale = self._codes.times(self._weight, rows), self._weight.row_scale[rows]
        for part in self._parts:
            self._finish(self._kernels.finish.address, part, out, product(part), row_scale)

    def multiply_gated(self, gates: slice, values: slice, out: Tensor) -> None:
        """silu of the product with one run of rows, times the product with the other, into `out` [M, R]."""
        products = [self._codes.times(self._weight, rows) for rows in (gates, values)]
        scales = self._weight.row_scale[gates], self._weight.row_scale[values]
        for part in self._parts:
            sums = [product(part) for product in products]
            self._finish(self._kernels.finish_swiglu.address, part, out, *sums, *scales)

    def _finish(self, code: int, part: slice, out: Tensor, *operands: Tensor) -> None:
        out, scale = out[part], self._scale[part]
        sizes = out.shape[1], out.dtype == torch.bfloat16, out.stride(0)
        threads.run(code, len(out), EACH, *sizes, *operands, scale, out)


class _Plain:
    """int8 codes [M, K] as `_int_mm` takes them."""

    def __init__(self, codes: Tensor) -> None:
        self._codes = codes

    def times(self, weight: Unpacked, rows: slice) -> Callable[[slice], Tensor]:
        """What multiplies some of the tokens with these rows of the weight -> int32 [tokens, R]."""
        codes = weight.codes(rows).T
        return lambda part: torch._int_mm(self._codes[part], codes)


def parts(count: int, most: int) -> list[slice]:
    """Runs of tokens of about equal length, at most `most` each."""
    pieces = -(-count // most)
    size = -(-count // max(pieces, 1))
    return [slice(start, min(start + size, count)) for start in range(0, count, max(size, 1))]
