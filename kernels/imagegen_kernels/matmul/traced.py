"""A product for torch.compile and torch.export: an op of tensors alone, `torch.ops.imagegen.matmul` and its
like."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.formats.layout import Format
from imagegen_kernels.library import traceable

_ATTRIBUTE = "_imagegen_weight"

Product = Callable[[Tensor, PackedWeight, Tensor | None], Tensor]


def product(name: str, eager: Product) -> Product:
    """What a program that is being traced calls in place of `eager`."""

    def real(
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
        # Kept at the tensor that the program calls with, or every call would check and prepare it anew.
        weight = getattr(packed, _ATTRIBUTE, None)
        if weight is None:
            shape = (len(packed), columns)
            weight = PackedWeight(packed, scales, format, shape, group_size, zero_points, base3)
            setattr(packed, _ATTRIBUTE, weight)
        return eager(x, weight, bias)

    overload = traceable(
        f"{name}(Tensor x, Tensor packed, Tensor scales, Tensor? zero_points, Tensor? bias, str format,"
        " int columns, int group_size, bool base3) -> Tensor",
        real,
        _fake,
    )

    def traced(x: Tensor, weight: PackedWeight, bias: Tensor | None) -> Tensor:
        out: Tensor = overload(
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

    return traced


def _fake(x: Tensor, packed: Tensor, *rest: object) -> Tensor:
    return x.new_empty((*x.shape[:-1], packed.shape[0]))
