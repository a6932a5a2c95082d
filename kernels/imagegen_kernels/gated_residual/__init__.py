"""Gated residual sum."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels import card
from imagegen_kernels.gated_residual import cpu, gpu, reference
from imagegen_kernels.inference import inference
from imagegen_kernels.launch import suits
from imagegen_kernels.library import traceable


@inference
def gated_residual(x: Tensor, gate: Tensor, y: Tensor) -> Tensor:
    """x + gate * y for x, y [B, S, D] and gate [B, 1, D], [1, 1, D] or [D] -> [B, S, D] in the dtype of x.

    Raises ValueError for shapes that do not fit.
    """
    check(x, gate, y.shape)
    if torch.compiler.is_compiling():
        traced: Tensor = _traced(x, gate, y)
        return traced
    if x.is_cpu:
        return cpu.gated_residual(x, gate, y)
    run = gpu.gated_residual if card.takes(x.device) and suits(x) else reference.gated_residual
    return run(x, gate, y)


def check(x: Tensor, gate: Tensor, added: torch.Size) -> None:
    """Raise ValueError unless something of shape `added` can be added to x through the gate."""
    batch, _, channels = x.shape if x.ndim == 3 else (0, 0, 0)
    gates = ((batch, 1, channels), (1, 1, channels), (channels,))
    if x.ndim != 3 or x.shape != added or tuple(gate.shape) not in gates:
        raise ValueError(
            f"gated_residual needs x, y [B, S, D] and gate [B, 1, D], [1, 1, D] or [D],"
            f" not {list(x.shape)}, {list(added)} and {list(gate.shape)}"
        )


def _fake(x: Tensor, gate: Tensor, y: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


_traced = traceable("gated_residual(Tensor x, Tensor gate, Tensor y) -> Tensor", gated_residual, _fake)


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `gated_residual` runs on `device`."""
    if device == "cpu":
        return "cpu", "PyTorch's addcmul kernel, one pass"
    return card.row_kernel()
