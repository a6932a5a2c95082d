"""Folded int8 codes of a packed weight, some rows at a time, as fast as memory takes them.

A whole 4B transformer is 0.98 GB packed and 3.7 GB as int8. So a large weight stays packed, and each call
unpacks it: 1.0 ms for 3072 x 3072 on two Zen 4 cores, where the product of 512 tokens takes 11.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.matmul import reference

# Format -> bits a code, what to keep of each byte and what to set, so that a code is the byte's top two bits.
_FIELDS = {"ternary": (2, 0xC0, 0x00), "binary": (1, 0x80, 0x40)}
_RUN = 128
"""Columns whose codes share a run of bytes (formats/bits.py)."""


class Unpacked:
    """The codes of `weight` that `reference.fold` gives, made when they are asked for.

    row_scale  float32 [N]
    """

    def __init__(self, weight: PackedWeight) -> None:
        weight = weight.in_slots()  # a shift takes two-bit codes apart
        self.weight, self.shape = weight, weight.shape
        self._factors: Tensor | None = None
        if weight.group_size == weight.shape[1]:
            self.row_scale = weight.scales.float().view(-1)
        elif weight.format in _FIELDS:
            self.row_scale, factors = group_factors(weight)
            self._factors = factors.unsqueeze(-1)
        else:
            parts = [reference.fold(self._part(rows))[1] for rows in row_blocks(weight.shape[0])]
            self.row_scale = torch.cat(parts)

    def codes(self, rows: slice) -> Tensor:
        """int8 [rows, K]; of an int8 weight with one scale a row they are the stored ones, not a copy."""
        weight = self.weight
        if weight.format == "int8" and weight.group_size == weight.shape[1]:
            return weight.packed[rows]
        if weight.format not in _FIELDS:
            return reference.fold(self._part(rows))[0]
        codes = _unpack(weight.packed[rows], *_FIELDS[weight.format])
        if self._factors is not None:
            codes.view(len(codes), -1, weight.group_size).mul_(self._factors[rows])
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


def _unpack(packed: Tensor, bits: int, keep: int, put: int) -> Tensor:
    """-1, 0, +1 as int8 [R, K] from uint8 [R, K * bits / 8], eight bytes in one shift.

    What a shift carries over from one byte into its neighbour lies below the bits that are kept.
    """
    rows, width = packed.shape
    run = _RUN * bits // 8 // 8
    words = packed.contiguous().view(torch.int64).view(rows, -1, run)
    planes = torch.empty(rows, words.shape[1], 8 // bits, run, dtype=torch.int64)
    for plane in range(8 // bits):
        torch.bitwise_left_shift(words, plane * bits, out=planes[:, :, plane])
    codes = planes.view(torch.int8).view(rows, width * 8 // bits)
    codes.bitwise_and_(keep - 256)
    if put:
        codes.bitwise_or_(put)
    return codes.bitwise_right_shift_(6)
