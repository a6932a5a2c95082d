"""The one place where a Triton kernel starts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

LONGEST = 1 << 15
"""Channels that a row may have where one program holds all of it in registers."""


def launch(
    kernel: Any, programs: int, warps: int, stages: int, **arguments: Tensor | int | float | bool
) -> None:
    """Run `programs` programs of `kernel`, on the device of its first tensor; compiled at the first call."""
    tensor = next(argument for argument in arguments.values() if isinstance(argument, Tensor))
    if tensor.is_cuda:
        with torch.cuda.device(tensor.device):
            kernel[(programs,)](**arguments, num_warps=warps, num_stages=stages)
    else:
        kernel[(programs,)](**arguments, num_warps=warps, num_stages=stages)


def assembly() -> bool:
    """Whether kernels may use inline assembly. Triton's interpreter has none: each has a portable branch."""
    from triton import knobs

    return not knobs.runtime.interpret


def row_block(length: int) -> tuple[int, int]:
    """The power of two that holds a row, and the warps that share it: about 16 values a thread."""
    block = 1 << max(length - 1, 0).bit_length()
    return block, min(max(block // 512, 1), 16)


def suits(x: Tensor) -> bool:
    """Whether the kernels that go row by row take x: 16 or 32 bits a value, and not too long."""
    return x.dtype in (torch.float32, torch.float16, torch.bfloat16) and x.shape[-1] <= LONGEST
