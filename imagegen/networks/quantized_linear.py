"""A linear layer whose weight stays packed; takes the place of `nn.Linear` where a checkpoint holds codes and
scales.

Knows nothing of files: `weights/load.py` decides which layers are packed.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import linear as product

from imagegen_kernels import gated_residual, matmul, matmul_residual, matmul_swiglu, swiglu
from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.modulate import Modulated


class LowRank(NamedTuple):
    """What is added to a packed weight: up down, of rank R, in the dtype of the activations."""

    down: Tensor
    """[R, K]"""
    up: Tensor
    """[N, R]"""


class QuantizedLinear(nn.Module):
    """y = x W^T (+ bias) with W packed: x [..., K] -> [..., N] in the dtype of x. With `low_rank`, W is the
    packed weight and that."""

    def __init__(
        self, weight: PackedWeight, bias: Tensor | None = None, low_rank: LowRank | None = None
    ) -> None:
        super().__init__()
        self.weight = weight
        self.bias = bias
        self.low_rank = low_rank

    def forward(self, x: Tensor | Modulated) -> Tensor:
        if self.low_rank is not None and isinstance(x, Modulated):
            x = x.values()
        y = matmul(x, self.weight, self.bias)
        if self.low_rank is not None and isinstance(x, Tensor):
            y += product(product(x, self.low_rank.down), self.low_rank.up)
        return y

    def extra_repr(self) -> str:
        rows, columns = self.weight.shape
        rank = f", low rank {len(self.low_rank.down)}" if self.low_rank is not None else ""
        return f"{columns} -> {rows}, {self.weight.format}, group {self.weight.group_size}{rank}"


def project(linear: nn.Module, x: Tensor | Modulated) -> Tensor:
    """What a linear, packed or not, makes of x [B, S, K]."""
    packed = isinstance(linear, QuantizedLinear)
    y: Tensor = linear(x.values() if isinstance(x, Modulated) and not packed else x)
    return y


def project_gated(
    linear: nn.Module, x: Tensor | Modulated, ahead: int = 0, out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """As `project`: its first `ahead` outputs as they are, the rest, gates and then as many values, as
    silu(gate) * value, written to `out` where that is given."""
    if isinstance(linear, QuantizedLinear) and linear.bias is None and linear.low_rank is None:
        return matmul_swiglu(x, linear.weight, ahead, out)
    both = project(linear, x)
    return both[..., :ahead], swiglu(both[..., ahead:], out)


def project_residual(linear: nn.Module, x: Tensor, before: Tensor, gate: Tensor) -> Tensor:
    """before [B, S, N] + gate [1, 1, N] * what `project` makes of x [B, S, K]."""
    if isinstance(linear, QuantizedLinear) and linear.low_rank is None:
        return matmul_residual(x, linear.weight, before, gate, linear.bias)
    return gated_residual(before, gate, linear(x))
