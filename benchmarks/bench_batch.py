"""What reading and planning a catalogue costs: time and memory, by the number of rows.

    PYTHONPATH=. .venv/bin/python -m benchmarks.bench_batch

The catalogue is made here: a Shopify export of variants with descriptions in HTML, four rows a product. Each
run is a fresh process, whose memory is its own peak; what importing alone takes is measured beside it.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, write_results

WHAT = ("read", "plan", "plan each color")
COLORS = ("Black", "Navy", "Red", "Sand")
RUN = """
import json, sys, time
from pathlib import Path
from imagegen.batch.plan import BatchOptions, Plan
def peak():  # of this program: getrusage would count what the one that started it had
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
imported = peak()
what, path = sys.argv[1], Path(sys.argv[2])
wall, cpu = time.perf_counter(), time.process_time()
plan = Plan(path, BatchOptions(each_color=what == "plan each color"))
found = sum(1 for _ in (plan.catalogue.rows() if what == "read" else plan.pictures()))
took = {"wall_s": round(time.perf_counter() - wall, 3), "cpu_s": round(time.process_time() - cpu, 3)}
print(json.dumps({"found": found, **took, "peak_mb": round(peak(), 1), "imported_mb": round(imported, 1)}))
"""


def write_catalogue(path: Path, rows: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        header = "Handle|Title|Body (HTML)|Vendor|Option1 Name|Option1 Value|Variant SKU|Image Src"
        writer.writerow(header.split("|"))
        for row in range(rows):
            product, variant = divmod(row, len(COLORS))
            texts = ["", "", "", ""]
            if variant == 0:
                body = f"<p>Product {product}, soft.</p><ul><li>two pockets</li><li>30 x 20 cm</li></ul>" * 3
                texts = [f"Acme shoulder bag {product} - size M", body, "Acme", "Color"]
            writer.writerow([f"bag-{product}", *texts, COLORS[variant], f"SKU-{row}", ""])


def measure(what: str, path: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", RUN, what, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--what", nargs="+", default=WHAT, choices=WHAT)
    options = parser.parse_args()
    results: dict[str, Any] = {"benchmark": "batch", "machine": describe_machine(), "runs": []}
    with tempfile.TemporaryDirectory() as folder:
        for rows in options.rows:
            path = Path(folder) / f"{rows}.csv"
            write_catalogue(path, rows)
            for what in options.what:
                runs = [measure(what, path) for _ in range(options.rounds)]
                entry = {
                    "what": what,
                    "rows": rows,
                    "file_mb": round(path.stat().st_size / 1e6, 1),
                    **runs[0],
                    "wall_s": statistics.median(run["wall_s"] for run in runs),
                    "cpu_s": statistics.median(run["cpu_s"] for run in runs),
                    "peak_mb": max(run["peak_mb"] for run in runs),
                }
                results["runs"].append(entry)
                print(entry)
    print(write_results("batch", "cpu", results))


if __name__ == "__main__":
    main()
