"""Matrix product of activations with a quantised weight."""

from __future__ import annotations

from torch import Tensor

from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.matmul import reference


def matmul(x: Tensor, weight: PackedWeight, bias: Tensor | None = None) -> Tensor:
    """x [..., K], floating point, times weight (N, K) transposed, plus bias [N] -> [..., N] in the dtype of
    x.

    Activations are quantised to int8 a token and the weight's group scales folded to one a row, so the
    product runs in int8; `reference.matmul` is the definition. A token's result does not depend on the
    tokens beside it. Raises ValueError for shapes, dtypes or devices that do not fit.
    """
    rows, columns = weight.shape
    if not x.is_floating_point() or x.ndim < 1 or x.shape[-1] != columns:
        raise ValueError(
            f"matmul with a weight of shape {weight.shape} needs floating point x [..., {columns}],"
            f" not {x.dtype} {list(x.shape)}"
        )
    if bias is not None and tuple(bias.shape) != (rows,):
        raise ValueError(
            f"matmul with a weight of shape {weight.shape} needs bias [{rows}], not {list(bias.shape)}"
        )
    if x.device != weight.packed.device:
        raise ValueError(
            f"matmul needs x and weight on one device, not {x.device} and {weight.packed.device}"
        )
    return reference.matmul(x, weight, bias)


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `matmul` runs on `device`."""
    return "reference", "plain PyTorch"
