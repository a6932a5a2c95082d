"""Gated residual sum."""

from __future__ import annotations

from torch import Tensor

from imagegen_kernels.gated_residual import cpu, reference
from imagegen_kernels.inference import inference


@inference
def gated_residual(x: Tensor, gate: Tensor, y: Tensor) -> Tensor:
    """x + gate * y for x, y [B, S, D] and gate [B, 1, D], [1, 1, D] or [D] -> [B, S, D] in the dtype of x.

    Raises ValueError for shapes that do not fit.
    """
    batch, _, channels = x.shape if x.ndim == 3 else (0, 0, 0)
    gates = ((batch, 1, channels), (1, 1, channels), (channels,))
    if x.ndim != 3 or x.shape != y.shape or tuple(gate.shape) not in gates:
        raise ValueError(
            f"gated_residual needs x, y [B, S, D] and gate [B, 1, D], [1, 1, D] or [D],"
            f" not {list(x.shape)}, {list(y.shape)} and {list(gate.shape)}"
        )
    run = cpu.gated_residual if x.device.type == "cpu" else reference.gated_residual
    return run(x, gate, y)


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `gated_residual` runs on `device`."""
    if device == "cpu":
        return "cpu", "PyTorch's addcmul kernel, one pass"
    return "reference", "plain PyTorch; no GPU kernel is written yet"
