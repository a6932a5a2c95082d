"""Matrix product added to a gated residual as plain PyTorch: the specification."""

from __future__ import annotations

from torch import Tensor

from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.gated_residual import reference as gated_residual
from imagegen_kernels.matmul import reference as matmul


def matmul_residual(
    x: Tensor, weight: PackedWeight, before: Tensor, gate: Tensor, bias: Tensor | None = None
) -> Tensor:
    """before + gate * (x times the weight transposed, plus bias)."""
    return gated_residual.gated_residual(before, gate, matmul.matmul(x, weight, bias))
