"""SwiGLU gate."""

from __future__ import annotations

from torch import Tensor

from imagegen_kernels.inference import inference
from imagegen_kernels.swiglu import cpu, reference


@inference
def swiglu(x: Tensor, out: Tensor | None = None) -> Tensor:
    """silu(x[..., :M]) * x[..., M:] for x [..., 2M] -> [..., M] in the dtype of x.

    The result is written to `out` where that is given; it may be a slice of something wider and must not
    overlap x. Raises ValueError where the last axis is odd, x is not floating point or `out` does not fit.
    """
    if not x.is_floating_point() or x.ndim < 1 or x.shape[-1] % 2:
        raise ValueError(f"swiglu needs floating point x [..., 2M], not {x.dtype} {list(x.shape)}")
    shape = (*x.shape[:-1], x.shape[-1] // 2)
    if out is None:
        out = x.new_empty(shape)
    elif out.shape != shape or out.dtype != x.dtype or out.device != x.device:
        raise ValueError(f"swiglu needs out {x.dtype} {list(shape)}, not {out.dtype} {list(out.shape)}")
    return cpu.swiglu(x, out) if x.device.type == "cpu" else out.copy_(reference.swiglu(x))


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `swiglu` runs on `device`."""
    if device == "cpu":
        return "cpu", "PyTorch's silu kernel, a sample at a time"
    return "reference", "plain PyTorch; no GPU kernel is written yet"
