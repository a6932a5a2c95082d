"""Matrix product with gates and values as plain PyTorch: the specification."""

from __future__ import annotations

from torch import Tensor

from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.matmul import reference as matmul
from imagegen_kernels.swiglu import reference as swiglu


def matmul_swiglu(x: Tensor, weight: PackedWeight, ahead: int) -> tuple[Tensor, Tensor]:
    """x times the first `ahead` rows of the weight, and the gate of x times the rest."""
    both = matmul.matmul(x, weight)
    return both[..., :ahead], swiglu.swiglu(both[..., ahead:])
