"""A linear layer whose weight stays packed; takes the place of `nn.Linear` where a checkpoint holds codes and
scales.

Knows nothing of files: `weights/load.py` decides which layers are packed.
"""

from __future__ import annotations

from torch import Tensor, nn

from imagegen_kernels import matmul, matmul_swiglu, swiglu
from imagegen_kernels.formats import PackedWeight


class QuantizedLinear(nn.Module):
    """y = x W^T (+ bias) with W packed: x [..., K] -> [..., N] in the dtype of x."""

    def __init__(self, weight: PackedWeight, bias: Tensor | None = None) -> None:
        super().__init__()
        self.weight = weight
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        return matmul(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        rows, columns = self.weight.shape
        return f"{columns} -> {rows}, {self.weight.format}, group {self.weight.group_size}"


def project_gated(
    linear: nn.Module, x: Tensor, ahead: int = 0, out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """What a linear, packed or not, makes of x [B, S, K]: its first `ahead` outputs as they are, the rest,
    gates and then as many values, as silu(gate) * value, written to `out` where that is given."""
    if isinstance(linear, QuantizedLinear) and linear.bias is None:
        return matmul_swiglu(x, linear.weight, ahead, out)
    both: Tensor = linear(x)
    return both[..., :ahead], swiglu(both[..., ahead:], out)
