"""A warm picture while other programs have the cores: how long PyTorch's threads may wait for each other.

    PYTHONPATH=. .venv/bin/python -m benchmarks.bench_busy

For each number of busy programs, processes that draw with the bundled model take turns, a picture each: one
as libgomp is by itself, others with a shorter wait (imagegen/cli/waiting.py), one with a single thread. A
process that is not drawing is stopped, so that its threads disturb nobody.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
from typing import Any

from benchmarks.machine import describe_machine, write_results

DRAW = """
import sys, time
from imagegen.pipeline.opening import open_pipeline
from imagegen.weights.catalog import find_model
card = find_model("starter")
pipeline = open_pipeline(card, "cpu")
for line in sys.stdin:
    started = time.perf_counter()
    pipeline.generate(["red leather handbag"], [int(line)], card.width, card.height, card.steps)
    print(time.perf_counter() - started, flush=True)
"""
WAYS: dict[str, dict[str, str]] = {
    "libgomp's own": {},
    "20000 spins": {"GOMP_SPINCOUNT": "20000"},
    "5000 spins": {"GOMP_SPINCOUNT": "5000"},
    "1000 spins": {"GOMP_SPINCOUNT": "1000"},
    "no spins": {"GOMP_SPINCOUNT": "0"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}


class Painter:
    """A process that draws when it is told to."""

    def __init__(self, said: dict[str, str]) -> None:
        inherited = {name: value for name, value in os.environ.items() if "OMP_" not in name}
        self._process = subprocess.Popen(
            [sys.executable, "-c", DRAW],
            env=inherited | said,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def draw(self, seed: int) -> float:
        """Seconds."""
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the painter has no pipes")
        process.send_signal(signal.SIGCONT)
        process.stdin.write(f"{seed}\n")
        process.stdin.flush()
        seconds = float(process.stdout.readline())
        process.send_signal(signal.SIGSTOP)
        return seconds

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def measure(painters: dict[str, Painter], busy: int, rounds: int) -> dict[str, Any]:
    """Seconds a picture of each, in turn, beside that many programs that only count."""
    counting = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    found: dict[str, list[float]] = {name: [] for name in painters}
    try:
        for seed in range(rounds):
            for name, painter in painters.items():
                found[name].append(round(painter.draw(seed), 4))
    finally:
        for program in counting:
            program.kill()
    return {
        name: {"median": round(statistics.median(runs), 4), "min": min(runs), "max": max(runs), "runs": runs}
        for name, runs in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    machine = describe_machine()
    painters = {name: Painter(said) for name, said in WAYS.items()}
    try:
        for painter in painters.values():
            painter.draw(0)
        wall = {f"{busy} busy": measure(painters, busy, rounds) for busy in (0, 1, 2)}
    finally:
        for painter in painters.values():
            painter.end()
    path = write_results("busy", "cpu", {"benchmark": "busy", "machine": machine, "wall_s": wall})
    for name, ways in wall.items():
        print(name, {way: found["median"] for way, found in ways.items()})
    print(path)


if __name__ == "__main__":
    main()
