"""Matrix product of activations with a quantised weight."""

from __future__ import annotations

import functools
import logging
from typing import cast

import torch
from torch import Tensor

from imagegen_kernels import card
from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.inference import inference
from imagegen_kernels.matmul import avx2, cpu, gpu, reference, traced
from imagegen_kernels.modulate import Modulated

logger = logging.getLogger(__name__)


@inference
def matmul(x: Tensor | Modulated, weight: PackedWeight, bias: Tensor | None = None) -> Tensor:
    """x [..., K] (floating point) @ weight (N, K) transposed + bias [N] -> [..., N], in the dtype of x.

    Of a `Modulated` x it is the product of its `values()`; a GPU quantises them as it makes them.

    Activations are quantised to int8 a token and the weight's codes folded with their group scales to int8
    codes and one scale a row, whatever the format, so the product runs in int8; `reference.matmul` is the
    definition. A token's result is the same bits whatever tokens are beside it.

    The first call with a small weight folds it and keeps its int8 codes, N * K bytes, in `weight.prepared`; a
    large one (`cpu.KEPT_CODES`) stays packed and is unpacked by each call.
    Raises ValueError for shapes, dtypes or devices that do not fit.
    """
    modulated = None
    if isinstance(x, Modulated):
        modulated, x = x, x.x
    rows, columns = weight.shape
    shape = x.shape
    if not shape or shape[-1] != columns or not x.is_floating_point():
        raise ValueError(
            f"matmul with a weight of shape {weight.shape} needs floating point x [..., {columns}],"
            f" not {x.dtype} {list(shape)}"
        )
    if bias is not None and bias.shape != (rows,):
        raise ValueError(
            f"matmul with a weight of shape {weight.shape} needs bias [{rows}], not {list(bias.shape)}"
        )
    if x.device != weight.packed.device:
        raise ValueError(
            f"matmul needs x and weight on one device, not {x.device} and {weight.packed.device}"
        )
    if not torch.compiler.is_compiling() and x.is_cuda and gpu.suits(x, weight):
        return gpu.linear(modulated or x, gpu.prepared(weight), bias)
    if modulated is not None:
        x = modulated.values()
    if torch.compiler.is_compiling():
        return _traced(x, weight, bias)
    if x.is_cpu and cpu.suits(weight):
        out = cpu.linear(x, cpu.prepared(weight))
    else:
        if not x.is_cpu:
            _say_slow(x.device.type)
        if "folded" not in weight.prepared:
            weight.prepared["folded"] = reference.fold(weight)
        folded = cast(tuple[Tensor, Tensor], weight.prepared["folded"])
        out = reference.int8_linear(x.reshape(-1, columns), *folded).view(*shape[:-1], rows)
    return out if bias is None else out.add_(bias)


_traced = traced.product("matmul", matmul)


@functools.cache
def _say_slow(device: str) -> None:
    """Say once that quantised layers save memory on `device` and no time."""
    logger.warning("Quantised layers run on %s as %s: %s.", device, *implementation(device))


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `matmul` runs on `device`."""
    if device != "cpu":
        reason = card.refusal()
        if reason is not None:
            return "reference", f"exact float32 blocks of int8 codes: {reason}"
        return (
            "triton",
            "int8 products straight from packed weights; never run on a card yet, so the first proves it",
        )
    if not cpu.is_exact():
        if avx2.is_exact():
            return (
                "avx2",
                "AVX2 products of bytes, for there is no 8-bit dot product (VNNI); large weights stay packed",
            )
        return "reference", "exact float32 blocks of int8 codes; this CPU has neither VNNI nor AVX2"
    return "int8", "oneDNN's int8 product, exact on this CPU; large weights stay packed"
