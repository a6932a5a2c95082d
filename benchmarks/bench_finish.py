"""Finishing: seconds a picture by step, and memory over a thousand of them.

    PYTHONPATH=.:postprocess .venv/bin/python -m benchmarks.bench_finish

A drawn box on a lit, noisy, shadowed backdrop, by the default recipe, warm. Processor seconds stand beside
wall seconds: where the machine did something else as well, wall seconds say how busy it was.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.machine import describe_machine, write_results
from imagegen_postprocess import Recipe, encode, finish
from imagegen_postprocess.colour.linear import to_light, to_pixels

SIDES = (1024, 2048)
AIMS = {1024: 0.6, 2048: 2.0}


def photograph(side: int, seed: int) -> Image.Image:
    """A red box with a darker lid and a metal buckle on warm grey paper under an uneven lamp."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j].astype(np.float32)
    scene = np.full((side, side, 3), (226, 222, 214), np.uint8)
    wobble = 0.02 * rng.random()
    body = (np.abs(across - 0.5) < 0.28 + wobble) & (down > 0.38) & (down < 0.82)
    scene[body] = (150, 40, 48)
    scene[body & (down < 0.48)] = (110, 28, 34)
    scene[body & (np.hypot(across - 0.5, down - 0.5) < 0.04)] = (196, 168, 92)
    light = to_light(scene) * (1 - 0.12 * across)[..., None]
    shadow = 0.3 * np.exp(-(((across - 0.5) / 0.3) ** 2) - ((down - 0.84) / 0.02) ** 2)
    light *= np.where(body, 1.0, 1 - shadow)[..., None]
    noisy = to_pixels(light).astype(np.float32) + rng.normal(0, 1.5, scene.shape)
    return Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))


def speed(rounds: int) -> dict[str, Any]:
    photos = {side: photograph(side, 0) for side in SIDES}
    runs: dict[int, list[tuple[float, float, dict[str, float]]]] = {side: [] for side in SIDES}
    for side in SIDES:
        finish(photos[side], Recipe())
    for _ in range(rounds):
        for side in SIDES:
            wall, cpu = time.perf_counter(), time.process_time()
            report = finish(photos[side], Recipe()).report
            spent = time.perf_counter() - wall, time.process_time() - cpu
            runs[side].append((*spent, {step.name: step.seconds for step in report.steps}))
    return {
        f"{side}x{side}": {
            "aim_wall_s": AIMS[side],
            "wall_s_least": round(min(run[0] for run in found), 3),
            "wall_s_median": round(statistics.median(run[0] for run in found), 3),
            "cpu_s_median": round(statistics.median(run[1] for run in found), 3),
            "wall_s_by_step_median": {
                name: round(statistics.median(run[2][name] for run in found), 4) for name in found[0][2]
            },
            "runs_wall_cpu": [[round(run[0], 3), round(run[1], 3)] for run in found],
        }
        for side, found in runs.items()
    }


def memory(pictures: int, side: int) -> dict[str, Any]:
    """Resident and peak megabytes after every tenth of the pictures, each a new one, finished and encoded."""
    after = {}
    for number in range(1, pictures + 1):
        encode(finish(photograph(side, number), Recipe()).picture, "jpeg")
        if number % max(1, pictures // 10) == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            after[number] = [round(pages * resource.getpagesize() / 2**20, 1), round(peak, 1)]
    return {"pictures": pictures, "side": side, "resident_and_peak_mb_after": after}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--side", type=int, default=512)
    arguments = parser.parse_args()
    results = {"benchmark": "finish", "machine": describe_machine()}
    results["memory"] = memory(arguments.pictures, arguments.side)
    results["speed"] = speed(arguments.rounds)
    print(write_results("finish", "cpu", results))


if __name__ == "__main__":
    main()
