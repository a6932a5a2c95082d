"""Says which machine, versions and commit a measurement comes from, and keeps it where the docs look."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "imagegen",
    "torch",
    "triton",
    "numpy",
    "diffusers",
    "transformers",
    "onnxruntime",
    "onnxruntime-gpu",
)


def describe_machine() -> dict[str, Any]:
    """The processor and its dot products, cores, load average, versions, commit and torch's threads."""
    import torch

    load = os.getloadavg()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "cpu": _cpu_model(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "dot_products": {
            "int8": bool(torch.cpu._is_vnni_supported()),
            "bfloat16": bool(torch.cpu._is_avx512_bf16_supported()),
        },
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "torch_threads": torch.get_num_threads(),
        "load_average": [round(value, 2) for value in load],
    }


def write_results(stem: str, device: str, results: dict[str, Any]) -> Path:
    """Writes benchmarks/results/<stem>-<device>-<date>.json (replacing the same day's); returns its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{stem}-{device}-{datetime.now(UTC).date().isoformat()}.json"
    path.write_text(json.dumps(results, indent=2) + "\n")
    return path


def read_results(stem: str, device: str) -> dict[str, Any]:
    """What `write_results` last wrote today; empty when it did not."""
    path = RESULTS / f"{stem}-{device}-{datetime.now(UTC).date().isoformat()}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return found


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    done = subprocess.run(
        ["git", *arguments], cwd=RESULTS.parent, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None
