"""What an import costs: why docs/decisions/002 keeps transformers and diffusers out of a plain run.

    PYTHONPATH=. .venv/bin/python -m benchmarks.bench_import

Each statement runs in a fresh interpreter, all in turn, several rounds; torch is imported before the clock
starts for the statements that need it anyway, so that each figure is what the library adds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from typing import Any

from benchmarks.machine import describe_machine, write_results

TIMER = """
{before}
import time
wall, cpu = time.perf_counter(), time.process_time()
{statement}
print(time.perf_counter() - wall, time.process_time() - cpu)
"""
STATEMENTS = {
    "imagegen": ("pass", "import imagegen"),
    "torch": ("pass", "import torch"),
    "networks of imagegen, after torch": (
        "import torch",
        "import imagegen.networks.transformer, imagegen.networks.text_encoder, imagegen.networks.autoencoder",
    ),
    "tokenizers": ("pass", "import tokenizers"),
    "transformers' Qwen3ForCausalLM, after torch": (
        "import torch",
        "from transformers import Qwen3ForCausalLM",
    ),
    "diffusers' AutoencoderKLFlux2, after torch": (
        "import torch",
        "from diffusers import AutoencoderKLFlux2",
    ),
    "diffusers' Flux2KleinPipeline, after torch": (
        "import torch",
        "from diffusers import Flux2KleinPipeline",
    ),
    "onnxruntime": ("pass", "import onnxruntime"),
    "rembg": ("pass", "import rembg"),
    "cv2": ("pass", "import cv2"),
}


def measure(before: str, statement: str) -> tuple[float, float]:
    """Wall and processor seconds. The second hardly minds what else the machine is doing."""
    code = TIMER.format(before=before, statement=statement)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    wall, cpu = done.stdout.splitlines()[-1].split()
    return round(float(wall), 4), round(float(cpu), 4)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    results: dict[str, Any] = {"benchmark": "import", "machine": describe_machine()}
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in STATEMENTS}
    for _ in range(options.rounds):
        for name, (before, statement) in STATEMENTS.items():
            runs[name].append(measure(before, statement))
    results["import_s"] = {
        name: {
            "wall_median": round(statistics.median(wall for wall, _ in values), 4),
            "cpu_median": round(statistics.median(cpu for _, cpu in values), 4),
            "runs_wall_cpu": values,
        }
        for name, values in runs.items()
    }
    results["load_average_after"] = [round(value, 2) for value in os.getloadavg()]
    path = write_results("import", "cpu", results)
    for name, value in results["import_s"].items():
        print(f"{value['wall_median']:8.3f} s  {value['cpu_median']:8.3f} s of processor  {name}")
    print(path)


if __name__ == "__main__":
    main()
