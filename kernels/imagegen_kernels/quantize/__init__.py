"""Per-token int8 quantisation of activations."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels import card
from imagegen_kernels.inference import inference
from imagegen_kernels.launch import suits
from imagegen_kernels.library import traceable
from imagegen_kernels.quantize import cpu, gpu, reference


@inference
def quantize(x: Tensor) -> tuple[Tensor, Tensor]:
    """x [..., K] -> codes int8 [..., K] in -127..127, scale float32 [..., 1], with x ~ codes * scale.

    x is floating point. Each token (row of K) stands alone. A token of zeros has codes 0. One that holds NaN
    or infinity keeps that in its scale, and its codes mean nothing. Raises ValueError for other dtypes and
    for K = 0.
    """
    if not x.is_floating_point() or x.ndim < 1 or not x.shape[-1]:
        raise ValueError(f"quantize needs floating point x [..., K >= 1], not {x.dtype} {list(x.shape)}")
    if torch.compiler.is_compiling():
        codes, scale = _traced(x)
        return codes, scale
    if x.is_cpu:
        return cpu.quantize(x)
    return gpu.quantize(x) if card.takes(x.device) and suits(x) else reference.quantize(x)


def _fake(x: Tensor) -> tuple[Tensor, Tensor]:
    scale = x.new_empty((*x.shape[:-1], 1), dtype=torch.float32)
    return torch.empty_like(x, dtype=torch.int8, memory_format=torch.contiguous_format), scale


_traced = traceable("quantize(Tensor x) -> (Tensor, Tensor)", quantize, _fake)


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `quantize` runs on `device`."""
    if device == "cpu":
        return "cpu", "PyTorch's kernels, as few calls as there can be"
    return card.row_kernel()
