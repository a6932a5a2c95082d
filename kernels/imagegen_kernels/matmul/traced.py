"""The product for torch.compile and torch.export: an op of tensors alone, `torch.ops.imagegen.matmul`."""

from __future__ import annotations

from torch import Tensor

from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.formats.layout import Format
from imagegen_kernels.library import traceable

_ATTRIBUTE = "_imagegen_weight"


def matmul(x: Tensor, weight: PackedWeight, bias: Tensor | None) -> Tensor:
    """As `imagegen_kernels.matmul`, in a program that is being traced."""
    out: Tensor = _traced(
        x,
        weight.packed,
        weight.scales,
        weight.zero_points,
        bias,
        weight.format,
        weight.shape[1],
        weight.group_size,
        weight.base3,
    )
    return out


def _real(
    x: Tensor,
    packed: Tensor,
    scales: Tensor,
    zero_points: Tensor | None,
    bias: Tensor | None,
    format: Format,
    columns: int,
    group_size: int,
    base3: bool,
) -> Tensor:
    from imagegen_kernels.matmul import matmul as eager

    # Kept at the tensor that the program calls with, or every call would check and prepare the weight anew.
    weight = getattr(packed, _ATTRIBUTE, None)
    if weight is None:
        shape = (len(packed), columns)
        weight = PackedWeight(packed, scales, format, shape, group_size, zero_points, base3)
        setattr(packed, _ATTRIBUTE, weight)
    return eager(x, weight, bias)


def _fake(x: Tensor, packed: Tensor, *rest: object) -> Tensor:
    return x.new_empty((*x.shape[:-1], packed.shape[0]))


_traced = traceable(
    "matmul(Tensor x, Tensor packed, Tensor scales, Tensor? zero_points, Tensor? bias, str format,"
    " int columns, int group_size, bool base3) -> Tensor",
    _real,
    _fake,
)
