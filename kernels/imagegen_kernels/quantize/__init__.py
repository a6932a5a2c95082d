"""Per-token int8 quantisation of activations."""

from __future__ import annotations

from torch import Tensor

from imagegen_kernels.inference import inference
from imagegen_kernels.quantize import cpu, reference


@inference
def quantize(x: Tensor) -> tuple[Tensor, Tensor]:
    """x [..., K] -> codes int8 [..., K] in -127..127, scale float32 [..., 1], with x ~ codes * scale.

    x is floating point. Each token (row of K) stands alone. A token of zeros has codes 0. One that holds NaN
    or infinity keeps that in its scale, and its codes mean nothing. Raises ValueError for other dtypes and
    for K = 0.
    """
    if not x.is_floating_point() or x.ndim < 1 or not x.shape[-1]:
        raise ValueError(f"quantize needs floating point x [..., K >= 1], not {x.dtype} {list(x.shape)}")
    return cpu.quantize(x) if x.device.type == "cpu" else reference.quantize(x)


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `quantize` runs on `device`."""
    if device == "cpu":
        return "cpu", "PyTorch's kernels, as few calls as there can be"
    return "reference", "plain PyTorch; nothing fused is written yet"
