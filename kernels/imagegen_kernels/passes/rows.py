"""Where the rows of a tensor lie, as passes have to be told."""

from __future__ import annotations

from torch import Tensor


def spread(x: Tensor) -> int | None:
    """How many elements the rows [..., K] of x are apart in memory; None where that differs or a row has
    gaps."""
    if x.is_contiguous():
        return x.shape[-1]
    if x.stride(-1) != 1:
        return None
    apart, rows = 0, 1
    for size, stride in zip(reversed(x.shape[:-1]), reversed(x.stride()[:-1]), strict=True):
        if size == 1:
            continue
        apart = apart or stride
        if stride != apart * rows:
            return None
        rows *= size
    return apart


def evenly_spread(x: Tensor) -> tuple[Tensor, int]:
    """x, copied if its rows are not evenly apart, and how many elements they are."""
    apart = spread(x)
    return (x.contiguous(), x.shape[-1]) if apart is None else (x, apart)
