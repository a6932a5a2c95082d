"""Things to compare, taken in turn on one device, and what that device's product reaches at best."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

MIN_ROUNDS = 3
CPU_SIDES, GPU_SIDES = (512, 1024, 2048), (2048, 4096, 8192)


def take_turns(runs: Mapping[str, Callable[[], object]], budget_s: float, device: str) -> dict[str, Any]:
    """Seconds of each, round after round, once warm: median, min and number. On a GPU by events, with the
    device's queue full, so that what the host needs for a launch counts only where it is longer."""
    for run in runs.values():
        run()
    found: dict[str, list[float]] = {name: [] for name in runs}
    deadline = time.perf_counter() + budget_s
    while min(map(len, found.values())) < MIN_ROUNDS or time.perf_counter() < deadline:
        for name, run in runs.items():
            found[name].append(_once(run, device))
    return {
        name: {
            "median": round(statistics.median(values), 8),
            "min": round(min(values), 8),
            "rounds": len(values),
        }
        for name, values in found.items()
    }


def _once(run: Callable[[], object], device: str) -> float:
    if device == "cpu":
        started = time.perf_counter()
        run()
        return time.perf_counter() - started
    event: Any = torch.cuda.Event
    wait: Any = torch.cuda._sleep
    start, end = event(enable_timing=True), event(enable_timing=True)
    torch.cuda.synchronize()
    wait(1_000_000)  # cycles, in which the host gets ahead
    start.record()
    run()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1e3


def ceiling(device: str, budget_s: float = 1.0) -> float:
    """TFLOP/s of the best of three square bfloat16 products here and now."""
    best = 0.0
    for side in CPU_SIDES if device == "cpu" else GPU_SIDES:
        pair = [torch.randn(side, side, device=device).bfloat16() for _ in range(2)]
        product = functools.partial(torch.mm, *pair)
        best = max(best, 2 * side**3 / take_turns({"": product}, budget_s, device)[""]["min"] / 1e12)
    return round(best, 4)


def int8_ceiling(device: str, budget_s: float = 1.0) -> float:
    """As `ceiling`, in int8 with int32 sums."""
    best = 0.0
    for side in CPU_SIDES if device == "cpu" else GPU_SIDES:
        pair = [torch.randint(-127, 128, (side, side), dtype=torch.int8, device=device) for _ in range(2)]
        product = functools.partial(torch._int_mm, *pair)
        best = max(best, 2 * side**3 / take_turns({"": product}, budget_s, device)[""]["min"] / 1e12)
    return round(best, 4)


def bandwidth(device: str, budget_s: float = 1.0) -> float:
    """GB/s read and written by copying 256 MB."""
    source = torch.empty(1 << 28, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = take_turns({"copy": lambda: target.copy_(source)}, budget_s, device)["copy"]["min"]
    return round(2 * source.nbytes / float(seconds) / 1e9, 1)
