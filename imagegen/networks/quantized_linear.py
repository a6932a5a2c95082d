"""A linear layer whose weight stays packed; takes the place of `nn.Linear` where a checkpoint holds codes and
scales.

Knows nothing of files: `weights/load.py` decides which layers are packed.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor, nn
from torch.nn.functional import linear as product

from imagegen_kernels import (
    gated_residual,
    matmul,
    matmul_residual,
    matmul_swiglu,
    swiglu,
    weight_only_matmul,
)
from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.modulate import Modulated


class LowRank(NamedTuple):
    """What is added to a packed weight: up down, of rank R, in the dtype of the activations."""

    down: Tensor
    """[R, K]"""
    up: Tensor
    """[N, R]"""


Activations = Literal["int8", "float"]
"""What a packed layer multiplies by: activations quantised to int8, a scale a token, or as they come."""


class QuantizedLinear(nn.Module):
    """y = x W^T (+ bias) with W packed: x [..., K] -> [..., N] in the dtype of x. With `low_rank`, W is the
    packed weight and that.

    `activations` None is int8, but float for int4 on a GPU: those who take int4 take it for exactness.
    """

    def __init__(
        self,
        weight: PackedWeight,
        bias: Tensor | None = None,
        low_rank: LowRank | None = None,
        activations: Activations | None = None,
    ) -> None:
        super().__init__()
        self.weight = weight
        self.bias = bias
        self.low_rank = low_rank
        exact = weight.format == "int4" and weight.packed.is_cuda
        self.activations: Activations = activations or ("float" if exact else "int8")

    @property
    def fuses(self) -> bool:
        """Whether the layer is one int8 product, which takes in what is before and behind it."""
        return self.low_rank is None and self.activations == "int8"

    def forward(self, x: Tensor | Modulated) -> Tensor:
        if isinstance(x, Modulated):
            if self.fuses:
                return matmul(x, self.weight, self.bias)
            x = x.values()
        run = matmul if self.activations == "int8" else weight_only_matmul
        y = run(x, self.weight, self.bias)
        if self.low_rank is not None:
            y += product(product(x, self.low_rank.down), self.low_rank.up)
        return y

    def extra_repr(self) -> str:
        rows, columns = self.weight.shape
        rank = f", low rank {len(self.low_rank.down)}" if self.low_rank is not None else ""
        kind = f"{self.weight.format}, group {self.weight.group_size}, {self.activations} activations"
        return f"{columns} -> {rows}, {kind}{rank}"


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
    if isinstance(linear, QuantizedLinear) and linear.fuses and linear.bias is None:
        return matmul_swiglu(x, linear.weight, ahead, out)
    both = project(linear, x)
    return both[..., :ahead], swiglu(both[..., ahead:], out)


def project_residual(linear: nn.Module, x: Tensor, before: Tensor, gate: Tensor) -> Tensor:
    """before [B, S, N] + gate [1, 1, N] * what `project` makes of x [B, S, K]."""
    if isinstance(linear, QuantizedLinear) and linear.fuses:
        return matmul_residual(x, linear.weight, before, gate, linear.bias)
    return gated_residual(before, gate, linear(x))
