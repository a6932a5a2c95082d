"""Weights that are binary or ternary already, as dense files of such models hold them, packed without
loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from imagegen_kernels.formats.bits import pack_binary, pack_ternary
from imagegen_kernels.formats.packed_weight import PackedWeight
from imagegen_kernels.formats.quantizers import check_weight


@dataclass(frozen=True)
class Misfit:
    """The first group, row by row, that is not binary or ternary: its row, its columns from `start` up to
    `stop`, and what is wrong with it."""

    row: int
    start: int
    stop: int
    why: str

    def __str__(self) -> str:
        return f"row {self.row}, columns {self.start} to {self.stop - 1}: {self.why}"


def recognise(weight: Tensor, group_size: int = 128) -> PackedWeight | Misfit:
    """Pack a floating-point weight [N, K] each of whose groups holds only -s, 0 and +s, s exact in float16.

    Binary where no group holds both 0 and another value, else ternary. `dequantize` gives back every value,
    but -0 as 0. Nothing is rounded: any other weight is a Misfit. Raises ValueError for a shape that
    `group_size` does not fit and for NaN or infinity.
    """
    rows, columns = check_weight("ternary", weight, group_size)
    groups = weight.detach().reshape(rows, -1, group_size)
    magnitude, zero = groups.abs(), groups == 0
    largest = magnitude.amax(dim=-1)
    scales = largest.to(torch.float16)
    one_magnitude = ((magnitude == largest.unsqueeze(-1)) | zero).all(dim=-1)
    exact = scales.double() == largest.double()
    if not bool((one_magnitude & exact).all()):
        row, group = (one_magnitude & exact).logical_not().nonzero()[0].tolist()
        if one_magnitude[row, group]:
            why = f"holds +-{float(largest[row, group]):.9g}, which is no float16"
        else:
            found = set(magnitude[row, group].tolist()) - {0.0}
            why = f"holds {len(found)} magnitudes, {min(found):.6g} to {max(found):.6g}, not one"
        return Misfit(row, group * group_size, (group + 1) * group_size, why)
    if bool((zero.any(dim=-1) & (largest > 0)).any()):
        packed = pack_ternary(groups.sign().to(torch.int8).view(rows, columns))
        return PackedWeight(packed, scales, "ternary", (rows, columns), group_size)
    codes = torch.where(groups < 0, -1, 1).to(torch.int8)
    return PackedWeight(pack_binary(codes.view(rows, columns)), scales, "binary", (rows, columns), group_size)
