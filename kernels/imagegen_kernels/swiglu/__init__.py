"""SwiGLU gate."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.swiglu import cpu, reference


@torch.no_grad()
def swiglu(x: Tensor) -> Tensor:
    """silu(x[..., :M]) * x[..., M:] for x [..., 2M] -> [..., M] in the dtype of x.

    Raises ValueError where the last axis is odd or x is not floating point.
    """
    if not x.is_floating_point() or x.ndim < 1 or x.shape[-1] % 2:
        raise ValueError(f"swiglu needs floating point x [..., 2M], not {x.dtype} {list(x.shape)}")
    return cpu.swiglu(x) if x.device.type == "cpu" else reference.swiglu(x)


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `swiglu` runs on `device`."""
    if device == "cpu":
        return "cpu", "PyTorch's silu kernel, a sample at a time"
    return "reference", "plain PyTorch; no GPU kernel is written yet"
