"""SwiGLU gate."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels import card
from imagegen_kernels.inference import inference
from imagegen_kernels.launch import suits
from imagegen_kernels.library import traceable
from imagegen_kernels.swiglu import cpu, gpu, reference


@inference
def swiglu(x: Tensor, out: Tensor | None = None) -> Tensor:
    """silu(x[..., :M]) * x[..., M:] for x [..., 2M] -> [..., M] in the dtype of x.

    The result is written to `out` where that is given; it may be a slice of something wider and must not
    overlap x. Raises ValueError where the last axis is odd, x is not floating point or `out` does not fit.
    """
    if not x.is_floating_point() or x.ndim < 1 or x.shape[-1] % 2:
        raise ValueError(f"swiglu needs floating point x [..., 2M], not {x.dtype} {list(x.shape)}")
    shape = (*x.shape[:-1], x.shape[-1] // 2)
    if torch.compiler.is_compiling():
        traced: Tensor = _traced(x)
        return traced if out is None else out.copy_(traced)
    if out is None:
        out = x.new_empty(shape)
    elif out.shape != shape or out.dtype != x.dtype or out.device != x.device:
        raise ValueError(f"swiglu needs out {x.dtype} {list(shape)}, not {out.dtype} {list(out.shape)}")
    if x.is_cpu:
        return cpu.swiglu(x, out)
    return gpu.swiglu(x, out) if card.takes(x.device) and suits(x) else out.copy_(reference.swiglu(x))


def _fake(x: Tensor) -> Tensor:
    return x.new_empty((*x.shape[:-1], x.shape[-1] // 2))


_traced = traceable("swiglu(Tensor x) -> Tensor", swiglu, _fake)


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `swiglu` runs on `device`."""
    if device == "cpu":
        return "cpu", "PyTorch's silu kernel, a sample at a time"
    return card.row_kernel()
