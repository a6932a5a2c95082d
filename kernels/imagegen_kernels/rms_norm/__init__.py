"""RMS normalisation over the last axis."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.inference import inference
from imagegen_kernels.rms_norm import cpu, reference


@inference
def rms_norm(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    """x [..., D] / sqrt(mean(x^2) + eps) * weight [D] -> [..., D] in the dtype of x.

    Raises ValueError where weight is not [D] or x is not floating point.
    """
    if not x.is_floating_point() or x.ndim < 1 or tuple(weight.shape) != (x.shape[-1],):
        raise ValueError(
            f"rms_norm needs floating point x [..., D] and weight [D],"
            f" not {x.dtype} {list(x.shape)} and {list(weight.shape)}"
        )
    run = cpu.rms_norm if x.is_cpu and x.dtype == weight.dtype == torch.float32 else reference.rms_norm
    return run(x, weight, eps)


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `rms_norm` runs on `device`."""
    if device == "cpu":
        return (
            "cpu",
            "PyTorch's norm kernel in float32, the mean square in one reading; the reference otherwise",
        )
    return "reference", "plain PyTorch; no GPU kernel is written yet"
