"""How long a picture takes: cold, warm, and in a batch.

    make bench                     (python -m benchmarks.bench_generate, from the repository's root)

cold    `imagegen generate` as a user types it: process start to the file on disk, and to the process's end.
warm    `Studio.make` in one process, one picture after the other, at the model's native size, by phase.
batch   the same pictures handed in at once, so that the engine may denoise them together.
import  `import imagegen` in a fresh interpreter.

Every run is written down, not only the best: the summary is median, minimum and maximum.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, write_results

PROMPTS = (
    "navy blue running shoe with white sole",
    "brown leather handbag",
    "silver men's watch with black dial",
    "red lipstick",
    "black sunglasses",
)
IMPORT_TIMER = "import time; start = time.perf_counter(); import imagegen; print(time.perf_counter() - start)"


def cold(model: str, runs: int) -> dict[str, Any]:
    """Seconds of a whole `imagegen generate` process and its peak resident memory, over `runs` runs."""
    command = Path(sys.executable).with_name("imagegen")
    to_file, to_exit, peak = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for run in range(runs):
            picture = Path(folder) / f"{run}.png"
            arguments = [str(command), "generate", PROMPTS[run % len(PROMPTS)], "-o", str(picture)]
            arguments += ["--model", model, "--seed", str(run), "--json"]
            started, started_clock = time.time(), time.perf_counter()
            process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            to_exit.append(time.perf_counter() - started_clock)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
            to_file.append(picture.stat().st_mtime - started)
            peak.append(usage.ru_maxrss / 1024)
    return {"to_file_s": summary(to_file), "to_exit_s": summary(to_exit), "peak_memory_mb": summary(peak)}


def import_time(runs: int) -> dict[str, Any]:
    """Seconds of `import imagegen`, the interpreter's own start not counted."""
    command = [sys.executable, "-c", IMPORT_TIMER]
    seconds = [float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(runs)]
    return summary(seconds)


def warm(model: str, pictures: int) -> dict[str, Any]:
    """Seconds a picture with the model in memory: one after the other, then all at once."""
    from imagegen import ImageRequest, Studio

    requests = [ImageRequest(PROMPTS[i % len(PROMPTS)], model=model, seed=i) for i in range(pictures)]
    with Studio() as studio:
        started = time.perf_counter()
        studio.warm_up(model)
        load = time.perf_counter() - started

        seconds, phases = [], []
        for request in requests:
            started = time.perf_counter()
            artifact = studio.make(request)
            seconds.append(time.perf_counter() - started)
            phases.append(artifact.timings)

        started = time.perf_counter()
        for future in [studio.submit(request) for request in requests[: studio.settings.queue_size]]:
            future.result()
        together = time.perf_counter() - started
        batch = min(pictures, studio.settings.queue_size)

    return {
        "size": [artifact.provenance.generated_width, artifact.provenance.generated_height],
        "steps": artifact.request.steps if artifact.request else None,
        "load_and_first_picture_s": round(load, 4),
        "picture_s": summary(seconds),
        "phases_s": {name: summary(timing[name] for timing in phases) for name in phases[0]},
        "batched": {
            "pictures": batch,
            "max_batch": studio.settings.max_batch,
            "picture_s": round(together / batch, 4),
        },
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def summary(values: Iterable[float]) -> dict[str, Any]:
    """Median, minimum and maximum beside every single value, in the order measured."""
    runs = [round(value, 4) for value in values]
    return {"median": round(statistics.median(runs), 4), "min": min(runs), "max": max(runs), "runs": runs}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="starter", help="name or folder of a checkpoint")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--runs", type=int, default=7, help="cold starts (at least 5)")
    parser.add_argument("--pictures", type=int, default=20, help="warm pictures (at least 20)")
    options = parser.parse_args()
    if options.runs < 5 or options.pictures < 20:
        parser.error("at least 5 cold starts and 20 warm pictures make a measurement")

    os.environ["IMAGEGEN_DEVICE"] = options.device  # read by this process's Studio and by the cold processes
    results: dict[str, Any] = {"benchmark": "generate", "model": options.model, "device": options.device}
    results["machine"] = describe_machine()
    results["import_s"] = import_time(options.runs)
    results["cold"] = cold(options.model, options.runs)
    results["warm"] = warm(options.model, options.pictures)
    results["load_average_after"] = [round(value, 2) for value in os.getloadavg()]
    path = write_results("generate", options.device, results)

    brief = {
        "import_s": results["import_s"]["median"],
        "cold_to_file_s": results["cold"]["to_file_s"]["median"],
        "cold_peak_memory_mb": results["cold"]["peak_memory_mb"]["max"],
        "warm_picture_s": results["warm"]["picture_s"]["median"],
        "batched_picture_s": results["warm"]["batched"]["picture_s"],
        "warm_peak_memory_mb": results["warm"]["peak_memory_mb"],
        "load_average": results["machine"]["load_average"],
    }
    print(json.dumps(brief, indent=2))
    print(path)


if __name__ == "__main__":
    main()
