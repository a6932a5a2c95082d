"""Matrix product of activations as they are with a quantised weight: for layers whose activations do not bear
8 bits."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels import card
from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.inference import inference
from imagegen_kernels.matmul import traced
from imagegen_kernels.weight_only_matmul import cpu, gpu, reference


@inference
def weight_only_matmul(x: Tensor, weight: PackedWeight, bias: Tensor | None = None) -> Tensor:
    """x [..., K] (floating point) @ weight (N, K) transposed + bias [N] -> [..., N], in the dtype of x.

    Activations are not quantised and group scales not folded, as they are by `matmul`: more exact, and
    without the speed of int8. On a GPU the weight stays packed, int4 too. On a CPU the first call with a
    small weight keeps it in the dtype of x. A token's result may depend on how many are beside it, to
    rounding. Raises ValueError for shapes, dtypes or devices that do not fit.
    """
    rows, columns = weight.shape
    if not x.ndim or x.shape[-1] != columns or not x.is_floating_point():
        raise ValueError(
            f"weight_only_matmul with a weight of shape {weight.shape} needs floating point x"
            f" [..., {columns}], not {x.dtype} {list(x.shape)}"
        )
    if bias is not None and bias.shape != (rows,):
        raise ValueError(
            f"weight_only_matmul with a weight of shape {weight.shape} needs bias [{rows}],"
            f" not {list(bias.shape)}"
        )
    if x.device != weight.packed.device:
        raise ValueError(
            f"weight_only_matmul needs x and weight on one device, not {x.device} and {weight.packed.device}"
        )
    if torch.compiler.is_compiling():
        return _traced(x, weight, bias)
    if x.is_cpu:
        return cpu.weight_only_matmul(x, weight, bias)
    if x.is_cuda and gpu.suits(x, weight):
        return gpu.linear(x, gpu.prepared(weight), bias)
    return reference.weight_only_matmul(x, weight, bias)


_traced = traced.product("weight_only_matmul", weight_only_matmul)


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `weight_only_matmul` runs on `device`."""
    if device == "cpu":
        return "torch", "weights dequantised to the activations' dtype, large ones a few rows at a time"
    reason = card.refusal()
    if reason is not None:
        return "reference", f"the weight dequantised whole in float32 by every call: {reason}"
    return (
        "triton",
        "16-bit products straight from packed weights; never run on a card yet, the first proves it",
    )
