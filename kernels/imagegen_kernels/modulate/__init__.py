"""Adaptive layer normalisation: normalise, scale, shift."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from imagegen_kernels import card
from imagegen_kernels.inference import inference
from imagegen_kernels.launch import suits
from imagegen_kernels.library import traceable
from imagegen_kernels.modulate import cpu, gpu, reference


@inference
def modulate(x: Tensor, shift: Tensor, scale: Tensor, eps: float = 1e-6) -> Tensor:
    """LayerNorm(x [B, S, D]) * (1 + scale) + shift -> [B, S, D] in the dtype of x; the norm has no weights.

    shift, scale  [B, 1, D], [1, 1, D] or [D].
    Raises ValueError for shapes that do not fit.
    """
    check(x, shift, scale)
    if torch.compiler.is_compiling():
        traced: Tensor = _traced(x, shift, scale, eps)
        return traced
    if x.is_cpu:
        return cpu.modulate(x, shift, scale, eps)
    run = gpu.modulate if card.takes(x.device) and suits(x) else reference.modulate
    return run(x, shift, scale, eps)


def _fake(x: Tensor, shift: Tensor, scale: Tensor, eps: float) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


_traced = traceable("modulate(Tensor x, Tensor shift, Tensor scale, float eps) -> Tensor", modulate, _fake)


class Modulated(NamedTuple):
    """Activations that are still to go through `modulate`: a product may quantise them in the same pass."""

    x: Tensor
    """[B, S, D]"""
    shift: Tensor
    scale: Tensor
    eps: float

    def values(self) -> Tensor:
        """[B, S, D]"""
        return modulate(*self)


def check(x: Tensor, shift: Tensor, scale: Tensor) -> None:
    """Raise ValueError unless x can be modulated by them."""
    if x.ndim != 3 or not all(_fits(t, x) for t in (shift, scale)):
        raise ValueError(
            f"modulate needs x [B, S, D] and shift, scale [B, 1, D], [1, 1, D] or [D],"
            f" not {list(x.shape)}, {list(shift.shape)} and {list(scale.shape)}"
        )


def _fits(vector: Tensor, x: Tensor) -> bool:
    """Whether vector is [B, 1, D], [1, 1, D] or [D] for x [B, S, D]."""
    batch, _, channels = x.shape
    return tuple(vector.shape) in ((batch, 1, channels), (1, 1, channels), (channels,))


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `modulate` runs on `device`."""
    if device == "cpu":
        return "cpu", "PyTorch's layer_norm kernel"
    return card.row_kernel()
