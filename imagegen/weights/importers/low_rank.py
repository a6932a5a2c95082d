"""What four bits lose of a weight, given back by a narrow product beside it: W ~ Q + up down.

In the spirit of SVDQuant (Li et al. 2024, arXiv 2411.05007): the few directions in which a weight is large
are taken out in 16 bits, and codes are spent on what remains. Found in turns: the best pair of that rank for
what the codes leave, then codes for what the pair leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from imagegen_kernels.formats import PackedWeight, dequantize

TURNS = 3
_OVERSAMPLED = 8
"""Directions more than asked for that the randomised decomposition looks at (Halko et al. 2011)."""


@dataclass(frozen=True)
class Corrected:
    """Blocks of rows as `quantise` gave them, `down` [rank, K] and `up` [N, rank] in float16, and the
    relative error with them; `error_without` is that of codes alone."""

    blocks: list[PackedWeight]
    down: Tensor
    up: Tensor
    error: float
    error_without: float


def corrected(dense: Tensor, rank: int, quantise: Callable[[Tensor], list[PackedWeight]]) -> Corrected:
    """Codes and a pair of rank `rank` for a weight [N, K]; never worse than after the first turn."""
    wide = dense.float()
    size = float(wide.norm()) or 1.0
    without = float(_dense(quantise(wide)).sub_(wide).norm()) / size
    remaining, best = wide, None
    for _ in range(TURNS):
        down, up = _pair(remaining, rank)
        remaining = wide  # lets go of the last: a 4B's largest weight takes 340 MB each time it is here whole
        rest = torch.addmm(wide, up.float(), down.float(), alpha=-1)
        blocks = quantise(rest)
        codes = _dense(blocks)
        error = float(rest.sub_(codes).norm()) / size
        del rest
        if best is None or error < best.error:
            best = Corrected(blocks, down, up, error, without)
        remaining = torch.sub(wide, codes, out=codes)
        del codes
    if best is None:
        raise ValueError(f"TURNS is {TURNS}")
    return best


def _dense(blocks: list[PackedWeight]) -> Tensor:
    whole = torch.empty(sum(block.shape[0] for block in blocks), blocks[0].shape[1])
    for block, rows in zip(blocks, torch.split(whole, [len(block.scales) for block in blocks]), strict=True):
        rows.copy_(dequantize(block))
    return whole


def _pair(weight: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The pair nearest to a weight, float16, the singular values shared by both; the same for the same
    weight."""
    directions = min(rank + _OVERSAMPLED, *weight.shape)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        left, values, right = torch.svd_lowrank(weight, q=directions, niter=2)
    root = values[:rank].sqrt()
    return (right[:, :rank] * root).T.half().contiguous(), (left[:, :rank] * root).half().contiguous()
