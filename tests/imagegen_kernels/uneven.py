"""Weights in every format whose groups differ in size, so that folding has something to do."""

from collections.abc import Callable

import torch
from torch import Tensor

from imagegen_kernels.formats import (
    PackedWeight,
    quantize_binary,
    quantize_int4,
    quantize_int8,
    quantize_ternary,
)

QUANTIZERS: dict[str, Callable[[Tensor, int], PackedWeight]] = {
    "binary": quantize_binary,
    "ternary": quantize_ternary,
    "int4": quantize_int4,
    "int8": quantize_int8,
}


def dense(rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns) * torch.rand(rows, columns // 128).add(0.2).repeat_interleave(128, 1)
