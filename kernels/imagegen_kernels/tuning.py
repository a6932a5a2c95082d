"""Which tile of each product is fastest on a card, by trying them there. `imagegen tune` asks for it; nothing
else does, so no request ever waits for it.

A tile changes when something is computed, not what: a candidate whose result is not that of the tile in use
is refused, as is one that the card has too little memory for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product as every

import torch
from torch import Tensor

from imagegen_kernels import card
from imagegen_kernels.card import Tile

Run = Callable[[], Tensor]
Measure = Callable[[Run], float]
"""Seconds of a call."""

TOKENS, ROWS, COLUMNS = 4608, 9216, 3072
"""A linear of a 4B model, 1024x1024 pixels and 512 text tokens."""

FEW = 32

GAIN = 0.98
"""A tile in use gives way to one that takes at most this share of its time: less is noise."""

TOLERANCE = 1e-2
"""Relative error between tiles of products that are not exact: their sums come in another order."""


@dataclass(frozen=True)
class Tuned:
    """What tuning a product gave; `seconds` of the tile that is fastest and of the one that was in use."""

    tile: Tile
    seconds: float
    before: Tile
    seconds_before: float
    refused: int
    """candidates that did not fit or gave something else"""


def candidates() -> Iterator[Tile]:
    """Every tile worth a try: from 8 to 128 sums a thread."""
    for tokens, rows, warps, stages in every((16, 32, 64, 128, 256), (64, 128, 256), (4, 8), (2, 3, 4)):
        if 8 <= tokens * rows // (32 * warps) <= 128:
            yield Tile(tokens, rows, warps, stages)


def seconds(run: Run) -> float:
    """Of a call on the current CUDA device: the median of many, with the cache emptied before each."""
    from triton.testing import do_bench

    return float(do_bench(run, return_mode="median")) / 1e3


def tune(
    runs: Mapping[str, Run], measure: Measure, on_progress: Callable[[str, int, int], None]
) -> dict[str, Tuned]:
    """The fastest tile of each of `runs`, which are calls by the name of their tile (`card.tile`), on the
    device they run on. `on_progress(product, done, total)` is called after each candidate."""
    tiles = list(candidates())
    found: dict[str, Tuned] = {}
    for place, (product, run) in enumerate(runs.items()):
        expected = run()
        before = card.tile(product, expected.device)
        times = {before: measure(run)}
        refused = 0
        for number, tile in enumerate(tiles, start=1):
            if tile != before:
                with card.trying(tile):
                    taken = _tried(run, expected, measure)
                if taken is None:
                    refused += 1
                else:
                    times[tile] = taken
            on_progress(product, place * len(tiles) + number, len(runs) * len(tiles))
        best = min(times, key=times.__getitem__)
        if times[best] > GAIN * times[before]:
            best = before
        found[product] = Tuned(best, times[best], before, times[before], refused)
    return found


def _tried(run: Run, expected: Tensor, measure: Measure) -> float | None:
    from triton.errors import TritonError

    try:
        got = run().float() - expected.float()
        if not float(got.norm()) <= TOLERANCE * float(expected.float().norm()):
            return None
        return measure(run)
    except (TritonError, RuntimeError):  # too much shared memory, too many registers
        return None


def calls(
    device: torch.device, tokens: int = TOKENS, rows: int = ROWS, columns: int = COLUMNS
) -> dict[str, Run]:
    """A call of every product that has a tile of its own, on random weights of that size."""
    from imagegen_kernels.matmul import gpu
    from imagegen_kernels.weight_only_matmul import gpu as weight_only

    def ints(*shape: int, low: int = -127, high: int = 127) -> Tensor:
        return torch.randint(low, high + 1, shape, device=device, dtype=torch.int16).to(torch.int8)

    codes, scale = ints(tokens, columns), torch.rand(tokens, 1, device=device)
    x = torch.randn(tokens, columns, device=device).to(torch.float16)
    residual = gpu.Residual(
        torch.randn(tokens, rows, device=device).half(), torch.randn(1, rows, device=device).half(), tokens
    )
    factors, row_scale = ints(columns // 128, rows, low=1), torch.rand(rows, device=device) * 1e-4

    def integer(weight: gpu.Prepared, ending: str) -> Tensor:
        out = x.new_empty(tokens, rows // 2 if ending == "swiglu" else rows)
        added = residual if ending == "residual" else None
        gpu.product(codes, scale, weight, out, swiglu=ending == "swiglu", residual=added)
        return out

    runs: dict[str, Run] = {}
    tables = ints(columns // 32, rows, 4).view(torch.int32).squeeze(-1)
    for format, bits in (("ternary", 2), ("binary", 1), ("int4", 4), ("int8", 8)):
        packed = ints(rows, columns * bits // 8)
        if bits == 2:  # a high bit only where the low one is set
            packed = packed & 0x55 | (packed & 0x55) << 1 & ints(*packed.shape)
        weight = gpu.Prepared(
            format,
            packed if bits == 8 else packed.view(torch.uint8),
            tables if bits == 4 else factors,
            row_scale,
        )
        runs[format] = partial(integer, weight, "")
        runs[f"{format}-swiglu"] = partial(integer, weight, "swiglu")
        runs[f"{format}-residual"] = partial(integer, weight, "residual")
    four = weight_only.Prepared(
        "int4",
        ints(rows, columns // 2).view(torch.uint8),
        torch.rand(columns // 128, rows, device=device).half() * 0.01,
        None,
    )
    runs["float"] = partial(weight_only.linear, x, four)
    runs["float-few"] = partial(weight_only.linear, x[: min(FEW, tokens)], four)
    return runs
