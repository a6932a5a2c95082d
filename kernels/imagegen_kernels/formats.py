"""Packed-weight formats: ternary codes in two-bit slots, int8 codes, and float16 scales for both.

A weight [N, K] (output rows, input columns) is stored as integer codes and scales: weight = code * scale.
Each row is cut into K / group_size groups with a scale each; group_size = K is one scale a row.

ternary   codes -1, 0, +1; uint8 [N, K/4]. Every 128 columns of a row take 32 bytes; byte j of them holds the
          columns j (bits 7-6), 32+j (bits 5-4), 64+j (bits 3-2) and 96+j (bits 1-0). A slot is 00 for 0,
          01 for +1, 11 for -1; 10 means nothing and is refused. So shifted to the top of an int8 a slot is
          +-64 or 0, and a byte's four slots belong to four contiguous runs of columns.
int8      codes -127..127; int8 [N, K].
scales    float16 [N, K/group_size].

Knows nothing of activations, devices or products.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

Format = Literal["ternary", "int8"]

TERNARY_GROUP = 128
"""Columns that share 32 bytes in the ternary layout, whatever the group size of the scales."""

_PLANE = TERNARY_GROUP // 4


@dataclass(frozen=True, eq=False)
class PackedWeight:
    """A quantised weight of `shape` (N, K). The tensors are not copied and must not be changed afterwards.

    packed      uint8 [N, K/4] for "ternary", int8 [N, K] for "int8"
    scales      float16 [N, K/group_size], finite
    group_size  columns that share a scale: a divisor of K; for "ternary" also a multiple of 128

    Keep the object as long as the layer lives: ops store what they prepared from it in `prepared`.
    Raises ValueError, naming the shapes, when the parts do not fit together.
    """

    packed: Tensor
    scales: Tensor
    format: Format
    shape: tuple[int, int]
    group_size: int
    prepared: dict[str, object] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        rows, columns = self.shape
        check_layout(self.format, rows, columns, self.group_size)
        dtype, width = (torch.uint8, columns // 4) if self.format == "ternary" else (torch.int8, columns)
        if self.packed.dtype != dtype or tuple(self.packed.shape) != (rows, width):
            raise ValueError(
                f"packed {self.format} weight of shape {self.shape} needs {dtype} [{rows}, {width}],"
                f" not {self.packed.dtype} {list(self.packed.shape)}"
            )
        groups = columns // self.group_size
        if self.scales.dtype != torch.float16 or tuple(self.scales.shape) != (rows, groups):
            raise ValueError(
                f"scales of a {self.format} weight of shape {self.shape}, group size {self.group_size}, need"
                f" torch.float16 [{rows}, {groups}], not {self.scales.dtype} {list(self.scales.shape)}"
            )
        if self.packed.device != self.scales.device:
            raise ValueError(f"packed weight is on {self.packed.device}, its scales on {self.scales.device}")
        if not self.scales.is_meta and not bool(torch.isfinite(self.scales).all()):
            raise ValueError(f"scales of a {self.format} weight of shape {self.shape} must be finite")

    @property
    def codes(self) -> Tensor:
        """The codes, int8 [N, K]. Raises ValueError where a ternary slot holds 10."""
        return unpack_ternary(self.packed) if self.format == "ternary" else self.packed


def check_layout(format: str, rows: int, columns: int, group_size: int) -> None:
    """Raise ValueError unless a [rows, columns] weight can be stored in `format` with `group_size`."""
    if format not in get_args(Format):
        raise ValueError(f"unknown weight format {format!r}: choose one of {', '.join(get_args(Format))}")
    if rows < 1 or columns < 1:
        raise ValueError(f"a weight needs at least one row and one column, not shape [{rows}, {columns}]")
    if format == "ternary" and columns % TERNARY_GROUP:
        raise ValueError(
            f"ternary columns must be a multiple of {TERNARY_GROUP}, not shape [{rows}, {columns}]"
        )
    if group_size < 1 or columns % group_size:
        raise ValueError(f"group size {group_size} does not divide the columns of shape [{rows}, {columns}]")
    if format == "ternary" and group_size % TERNARY_GROUP:
        raise ValueError(
            f"ternary group size must be a multiple of {TERNARY_GROUP},"
            f" not {group_size} (shape [{rows}, {columns}])"
        )


def packed_bytes(format: Format, rows: int, columns: int, group_size: int) -> int:
    """Bytes of codes and scales of a [rows, columns] weight; ValueError as `check_layout`.

    ternary, group 128: 2.125 bits a weight; int8, group 128: 8.125 bits.
    """
    check_layout(format, rows, columns, group_size)
    codes = columns // 4 if format == "ternary" else columns
    return rows * (codes + 2 * (columns // group_size))


def pack_ternary(codes: Tensor) -> Tensor:
    """Pack int8 codes -1, 0, +1 of shape [N, K] into uint8 [N, K/4]; K must be a multiple of 128.

    Raises ValueError for another dtype, shape or value.
    """
    if codes.dtype != torch.int8 or codes.ndim != 2:
        raise ValueError(f"ternary codes must be torch.int8 [N, K], not {codes.dtype} {list(codes.shape)}")
    rows, columns = codes.shape
    check_layout("ternary", rows, columns, columns)
    if bool((codes.abs() > 1).any()) or bool((codes == -128).any()):
        raise ValueError(f"ternary codes of shape {list(codes.shape)} must be -1, 0 or +1")
    slots = (codes & 0b11).view(torch.uint8).view(rows, -1, 4, _PLANE)
    packed = slots[:, :, 0] << 6 | slots[:, :, 1] << 4 | slots[:, :, 2] << 2 | slots[:, :, 3]
    return packed.reshape(rows, columns // 4)


def unpack_ternary(packed: Tensor) -> Tensor:
    """Unpack uint8 [N, K/4] into int8 codes [N, K]; K/4 must be a multiple of 32.

    Raises ValueError for another dtype or shape, and where a slot holds the meaningless 10.
    """
    if packed.dtype != torch.uint8 or packed.ndim != 2:
        raise ValueError(
            f"packed ternary codes must be torch.uint8 [N, K/4], not {packed.dtype} {list(packed.shape)}"
        )
    rows, width = packed.shape
    if not rows or not width or width % _PLANE:
        raise ValueError(
            f"packed ternary columns must be a multiple of {_PLANE}, not shape {list(packed.shape)}"
        )
    meaningless = packed >> 1 & ~packed & 0b01010101
    if bool(meaningless.any()):
        rows_hit = int(meaningless.any(dim=1).sum())
        raise ValueError(
            f"packed ternary codes of shape {list(packed.shape)} hold the slot 10 in {rows_hit} rows"
        )
    shifts = torch.arange(0, 8, 2, dtype=torch.uint8, device=packed.device).view(4, 1)
    # Each slot becomes the top two bits of an int8; an arithmetic shift brings it down with its sign.
    codes = (packed.view(rows, -1, 1, _PLANE) << shifts).view(torch.int8)
    codes >>= 6
    return codes.view(rows, width * 4)


def quantize_ternary(weight: Tensor, group_size: int = TERNARY_GROUP) -> PackedWeight:
    """Quantise a float weight [N, K] to ternary with the least squared error a group.

    With the k largest magnitudes of a group coded +-1 and the rest 0, the best scale is their mean and the
    error falls by (their sum)^2 / k; k is chosen to make that largest. A weight that is already ternary
    comes back exact. Raises ValueError for a shape that does not fit and for values that are not finite or
    too large for float16.
    """
    _check_float(weight)
    rows, columns = weight.shape
    check_layout("ternary", rows, columns, group_size)
    groups = weight.detach().float().reshape(rows, -1, group_size)
    magnitude, order = groups.abs().sort(dim=-1, descending=True)
    total = magnitude.cumsum(dim=-1, dtype=torch.float64)
    count = torch.arange(1, group_size + 1, device=weight.device)
    last = (total * total / count).argmax(dim=-1, keepdim=True)
    scales = _float16_scales((total.gather(-1, last) / (last + 1)).squeeze(-1))
    kept = torch.zeros_like(groups, dtype=torch.bool).scatter_(
        -1, order, torch.arange(group_size, device=weight.device) <= last
    )
    codes = torch.where(kept, groups.sign(), 0).to(torch.int8).view(rows, columns)
    return PackedWeight(pack_ternary(codes), scales, "ternary", (rows, columns), group_size)


def quantize_int8(weight: Tensor, group_size: int = 128) -> PackedWeight:
    """Quantise a float weight [N, K] to int8: scale = largest magnitude of the group / 127, codes to nearest.

    `group_size` divides K; pass K for one scale a row. The error of a value is at most 0.57 of its group's
    scale (0.5 from the code, the rest from the scale's own rounding to float16), or 4e-6 where scales are
    subnormal. Raises ValueError for a shape that does not fit and for values that are not finite or too
    large for float16.
    """
    _check_float(weight)
    rows, columns = weight.shape
    check_layout("int8", rows, columns, group_size)
    groups = weight.detach().float().reshape(rows, -1, group_size)
    scales = _float16_scales(groups.abs().amax(dim=-1) / 127)
    step = scales.float().unsqueeze(-1)
    codes = torch.where(step > 0, groups / step, 0).round_().clamp_(-127, 127).to(torch.int8)
    return PackedWeight(codes.view(rows, columns), scales, "int8", (rows, columns), group_size)


def dequantize(weight: PackedWeight, dtype: torch.dtype = torch.float32) -> Tensor:
    """The weight as floating point [N, K]: codes * scale, computed in float32 (float64 for float64)."""
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    rows, columns = weight.shape
    codes = weight.codes.view(rows, -1, weight.group_size)
    return (codes.to(wide) * weight.scales.to(wide).unsqueeze(-1)).view(rows, columns).to(dtype)


def _check_float(weight: Tensor) -> None:
    if weight.ndim != 2 or not weight.is_floating_point():
        raise ValueError(
            f"a weight to quantise must be floating point [N, K], not {weight.dtype} {list(weight.shape)}"
        )
    if not bool(torch.isfinite(weight).all()):
        raise ValueError(
            f"a weight to quantise must be finite: shape {list(weight.shape)} holds NaN or infinity"
        )


def _float16_scales(scales: Tensor) -> Tensor:
    half = scales.to(torch.float16)
    if not bool(torch.isfinite(half).all()):
        raise ValueError(f"the largest scale, {float(scales.max()):.4g}, does not fit float16 (65504)")
    return half
