"""Folded int8 codes of a packed weight, some rows at a time, as fast as memory takes them.

A whole 4B transformer is 0.98 GB packed and 3.7 GB as int8. So a large weight stays packed, and each call
unpacks it: 0.2 ms for 3072 x 3072 on one Zen 4 core, where the product of 512 tokens takes 22.5.
"""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels import threads
from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.matmul import reference

_IN_BITS = ("ternary", "binary")
RUN = 128
"""Columns whose codes share a run of bytes (formats/bits.py)."""
_ROWS_EACH = 32
"""Rows a thread unpacks before it asks for more."""


class Unpacked:
    """The codes of `weight` that `reference.fold` gives, made when they are asked for.

    row_scale  float32 [N]
    factors    int8 [N, groups] of a binary or ternary weight, by which its codes are multiplied; else None
    avx2       whether matmul/avx2.py multiplies it
    of_zeros   int32 [N], the product with zeros as that has them; found by the first one
    """

    def __init__(self, weight: PackedWeight, avx2: bool = False) -> None:
        weight = weight.in_slots()  # a shift takes two-bit codes apart
        self.weight, self.shape, self.avx2 = weight, weight.shape, avx2
        self.factors: Tensor | None = None
        self.of_zeros: Tensor | None = None
        if weight.format in _IN_BITS and weight.group_size < weight.shape[1]:
            self.row_scale, self.factors = group_factors(weight)
        elif weight.group_size == weight.shape[1]:
            self.row_scale = weight.scales.float().view(-1)
            if weight.format in _IN_BITS:
                self.factors = torch.ones(len(self.row_scale), 1, dtype=torch.int8)
        else:
            parts = [reference.fold(self._part(rows))[1] for rows in row_blocks(weight.shape[0])]
            self.row_scale = torch.cat(parts)

    def codes(self, rows: slice) -> Tensor:
        """int8 [rows, K]; of an int8 weight with one scale a row they are the stored ones, not a copy."""
        weight = self.weight
        if weight.format == "int8" and weight.group_size == weight.shape[1]:
            return weight.packed[rows]
        if self.factors is None:
            return self._folded(rows)
        packed, factors = weight.packed[rows].contiguous(), self.factors[rows]
        codes = torch.empty(len(packed), weight.shape[1], dtype=torch.int8)
        runs, ternary = weight.shape[1] // RUN, weight.format == "ternary"
        from imagegen_kernels import cpu_kernels

        code, per_group = cpu_kernels.unpack.address, weight.group_size // RUN
        threads.run(code, len(codes), _ROWS_EACH, runs, per_group, ternary, packed, factors, codes)
        return codes

    def _folded(self, rows: slice) -> Tensor:
        """As `reference.fold` gives them, of int4 and of int8 in groups: 2 ms instead of 40."""
        from imagegen_kernels import cpu_kernels

        weight, row_scale = self.weight, self.row_scale[rows]
        packed, zeros = weight.packed[rows].contiguous(), weight.zero_points
        scales = weight.scales[rows].float()
        factors = scales / torch.where(row_scale == 0, 1, row_scale).unsqueeze(-1)
        codes = torch.empty(len(packed), self.shape[1], dtype=torch.int8)
        sizes = scales.shape[1], weight.group_size, weight.format == "int4", zeros is not None
        less = packed if zeros is None else zeros[rows].contiguous()
        threads.run(
            cpu_kernels.fold.address,
            len(codes),
            _ROWS_EACH,
            *sizes,
            packed,
            less,
            factors.contiguous(),
            codes,
        )
        return codes

    def _part(self, rows: slice) -> PackedWeight:
        weight = self.weight
        packed, scales = weight.packed[rows], weight.scales[rows]
        zero_points = None if weight.zero_points is None else weight.zero_points[rows]
        shape = (len(packed), weight.shape[1])
        return PackedWeight(packed, scales, weight.format, shape, weight.group_size, zero_points)


def group_factors(weight: PackedWeight) -> tuple[Tensor, Tensor]:
    """Of a binary or ternary weight with group scales: row scales float32 [N] and int8 [N, G], so that
    `reference.fold` gives these scales and code * factor."""
    scales = weight.scales.float()
    # A group of zeros has no say in its row's scale.
    used = weight.packed.view(*scales.shape, -1).any(dim=-1) if weight.format == "ternary" else 1
    row_scale = (scales * used).amax(dim=-1) / 127
    divisor = torch.where(row_scale == 0, 1, row_scale).unsqueeze(-1)
    return row_scale, (scales / divisor).round_().clamp_(max=127).to(torch.int8)


ROWS = 1536
"""Rows unpacked and multiplied at a time. A 4B block of 1536 tokens: 606 ms with 768, 585 with 1536, 690 with
3072, whose products no longer stay in the cache (two Zen 4 cores, 32 MB)."""


def row_blocks(rows: int) -> list[slice]:
    """Runs of ROWS rows; the last may be shorter."""
    return [slice(start, min(start + ROWS, rows)) for start in range(0, rows, ROWS)]
