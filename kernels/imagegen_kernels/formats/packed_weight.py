"""A packed weight, and its way back to floating point."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from imagegen_kernels.formats.base3 import DIGITS, LARGEST, unpack_base3
from imagegen_kernels.formats.bits import pack_planes, unpack_binary, unpack_int4, unpack_ternary
from imagegen_kernels.formats.layout import BITS, Format, check_layout

_UNPACK = {"binary": unpack_binary, "ternary": unpack_ternary, "int4": unpack_int4}
_ROWS = 256
"""Rows taken out of base 3 at a time."""


@dataclass(frozen=True, eq=False)
class PackedWeight:
    """A quantised weight of `shape` (N, K). The tensors are not copied and must not be changed afterwards.

    packed       int8 [N, K] for "int8", for the others uint8 [N, K * bits / 8] (bits.py)
    scales       float16 [N, K/group_size], finite and not negative
    group_size   columns that share a scale: a divisor of K and a multiple of the format's unit
    zero_points  "int4" only, int8 [N, K/group_size] in -8..7 or None: what a stored code of the group is
                 counted from
    base3        "ternary" only: `packed` is uint8 [N, ceil(K / 5)] as files hold it (base3.py)

    Keep the object as long as the layer lives: ops store what they prepared from it in `prepared`.
    Raises ValueError, naming the shapes, when the parts do not fit together.
    """

    packed: Tensor
    scales: Tensor
    format: Format
    shape: tuple[int, int]
    group_size: int
    zero_points: Tensor | None = None
    base3: bool = False
    prepared: dict[str, object] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        rows, columns = self.shape
        check_layout(self.format, rows, columns, self.group_size)
        if self.base3 and self.format != "ternary":
            raise ValueError(f"a {self.format} weight of shape {self.shape} is not stored in base 3")
        width = -(-columns // DIGITS) if self.base3 else columns * BITS[self.format] // 8
        groups = columns // self.group_size
        dtype = torch.int8 if self.format == "int8" else torch.uint8
        if self.packed.dtype != dtype or tuple(self.packed.shape) != (rows, width):
            raise ValueError(
                f"packed {self.format} weight of shape {self.shape} needs {dtype} [{rows}, {width}],"
                f" not {self.packed.dtype} {list(self.packed.shape)}"
            )
        if self.base3 and not self.packed.is_meta and int(self.packed.max()) > LARGEST:
            raise ValueError(f"base-3 codes of a weight of shape {self.shape} hold bytes above {LARGEST}")
        self._check_per_group("scales", self.scales, torch.float16, groups)
        if not self.scales.is_meta and not bool((self.scales.isfinite() & (self.scales >= 0)).all()):
            raise ValueError(
                f"scales of a {self.format} weight of shape {self.shape} must be finite and not negative"
            )
        if self.zero_points is None:
            return
        if self.format != "int4":
            raise ValueError(f"a {self.format} weight of shape {self.shape} has no zero points")
        self._check_per_group("zero points", self.zero_points, torch.int8, groups)
        if not self.zero_points.is_meta and bool(((self.zero_points < -8) | (self.zero_points > 7)).any()):
            raise ValueError(f"zero points of an int4 weight of shape {self.shape} must be -8..7")

    def _check_per_group(self, what: str, tensor: Tensor, dtype: torch.dtype, groups: int) -> None:
        expected = (self.shape[0], groups)
        if tensor.dtype != dtype or tuple(tensor.shape) != expected:
            raise ValueError(
                f"{what} of a {self.format} weight of shape {self.shape}, group size {self.group_size}, need"
                f" {dtype} {list(expected)}, not {tensor.dtype} {list(tensor.shape)}"
            )
        if self.packed.device != tensor.device:
            raise ValueError(f"packed weight is on {self.packed.device}, its {what} on {tensor.device}")

    @property
    def codes(self) -> Tensor:
        """What the scales multiply, int8 [N, K]: the codes, less their group's zero point where there is one
        (then -15..15). Raises ValueError where a ternary slot holds 10 or a row in base 3 does not end in
        codes 0."""
        if self.format == "int8":
            return self.packed
        if self.base3:
            return unpack_base3(self.packed, self.shape[1])
        codes = _UNPACK[self.format](self.packed)
        if self.zero_points is None:
            return codes
        groups = codes.view(self.shape[0], -1, self.group_size)
        return (groups - self.zero_points.unsqueeze(-1)).view(self.shape)

    def in_slots(self) -> PackedWeight:
        """A weight in base 3 with the two-bit slots that kernels read; any other as it is.

        Some rows at a time, which the cache holds: a 4B transformer takes 4 s of one Zen 4 core, and 22 with
        whole weights.
        """
        if not self.base3:
            return self
        parts = [
            pack_planes("ternary", unpack_base3(rows, self.shape[1]))
            for rows in torch.split(self.packed, _ROWS)
        ]
        return replace(self, packed=torch.cat(parts), base3=False)


def dequantize(weight: PackedWeight, dtype: torch.dtype = torch.float32) -> Tensor:
    """The weight as floating point [N, K]: codes * scale, computed in float32 (float64 for float64).

    Exact in float32 and float64. In float16 and bfloat16 it is rounded once, which leaves a binary or ternary
    weight exact in float16.
    """
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    rows, columns = weight.shape
    codes = weight.codes.view(rows, -1, weight.group_size)
    return (codes.to(wide) * weight.scales.to(wide).unsqueeze(-1)).view(rows, columns).to(dtype)
