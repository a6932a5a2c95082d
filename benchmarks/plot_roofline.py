"""Draws the newest result of `bench_matmul` (CPU) or `bench_peers_4b` (GPU) under that machine's roofline.

    PYTHONPATH=. .venv/bin/python -m benchmarks.plot_roofline matmul-cpu  # or peers-4b-cuda

It goes to docs/images/roofline-<stem>.svg. Across: operations for each byte that has to be read or written,
the packed or dense weight, the activations and the result once. Up: operations a second, by the median. The
roof is what the same run measured: copying memory, and the fastest square product in bfloat16 and, where it
was measured, in int8. Both axes are logarithmic.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.machine import RESULTS

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 70, 170, 50, 55
COLOURS = ("#c0392b", "#2471a3", "#7d3c98", "#b9770e", "#148f77", "#566573", "#a04000", "#1f618d", "#6c3483")
INK, GRID = "#333", "#ddd"


class Point(NamedTuple):
    name: str
    shape: str
    intensity: float
    """operations a byte"""
    rate: float
    """operations a second"""


class Axis(NamedTuple):
    """A logarithmic axis from `low` to `high`, drawn from pixel `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def decades(self) -> Iterator[float]:
        for power in range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1):
            yield 10.0**power


def points(results: dict[str, Any]) -> list[Point]:
    """What was measured; both benchmarks' files."""
    found = []
    for row in results["shapes"]:
        m, n, k = row["tokens"], row["out_features"], row["in_features"]
        for name, run in row.get("runs", row.get("rates", {})).items():
            rate, moved = run["tflops"] * 1e12, run["gb_s"] * 1e9
            found.append(Point(name, f"{m} x {k} to {n}", rate / moved, rate))
    return found


def draw(results: dict[str, Any]) -> str:
    """The picture as SVG. Raises KeyError for a result without ceilings (from before they were measured)."""
    found = points(results)
    roofs = {"bfloat16": results["ceiling_tflops"] * 1e12}
    if "int8_ceiling_tops" in results:
        roofs["int8"] = results["int8_ceiling_tops"] * 1e12
    copying = results["copy_gb_s"] * 1e9
    ridge = max(roofs.values()) / copying
    x = Axis(
        min([p.intensity for p in found] + [ridge]) / 2,
        max([p.intensity for p in found] + [ridge]) * 2,
        LEFT,
        WIDTH - RIGHT,
    )
    y = Axis(min(p.rate for p in found) / 2, max(roofs.values()) * 2, HEIGHT - BOTTOM, TOP)
    machine = results["machine"]
    title = (
        f"{machine['gpu'] or machine['cpu']}, torch {machine['versions']['torch']}, {machine['date'][:10]}"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f'<g font-family="sans-serif" font-size="12" fill="{INK}"><title>Roofline: {title}</title>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        text(LEFT, 22, title, size=14),
        text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "operations a byte", anchor="middle"),
        text(LEFT, 40, "operations a second", size=11),
    ]
    for value in x.decades():
        parts.append(line(x.at(value), y.start, x.at(value), y.end, GRID))
        parts.append(text(x.at(value), y.start + 18, f"{value:g}", anchor="middle"))
    for value in y.decades():
        parts.append(line(x.start, y.at(value), x.end, y.at(value), GRID))
        parts.append(text(LEFT - 8, y.at(value) + 4, f"{value / 1e9:g} G", anchor="end"))
    for name, roof in roofs.items():
        from_here = max(roof / copying, x.low)
        parts.append(line(x.at(from_here), y.at(roof), x.end, y.at(roof), INK, 1.5))
        parts.append(text(x.end + 6, y.at(roof) + 4, f"{name}, {roof / 1e12:.3g} T"))
    begin = max(x.low, y.low / copying)
    parts.append(line(x.at(begin), y.at(begin * copying), x.at(ridge), y.at(ridge * copying), INK, 1.5))
    names = list(dict.fromkeys(point.name for point in found))
    for place, name in enumerate(names):
        colour, size = COLOURS[place % len(COLOURS)], 5 if name.startswith("ours") else 3.5
        for point in found:
            if point.name == name:
                about = f"{name}, {point.shape}: {point.rate / 1e12:.3g} T/s"
                spot = f'cx="{x.at(point.intensity)}" cy="{y.at(point.rate)}" r="{size}"'
                parts.append(
                    f'<circle {spot} fill="{colour}" fill-opacity=".75"><title>{about}</title></circle>'
                )
        height = y.start - 18 * (len(names) - place)
        parts.append(f'<circle cx="{x.end + 14}" cy="{height - 4}" r="{size}" fill="{colour}"/>')
        parts.append(text(x.end + 24, height, name))
    return "\n".join([*parts, "</g></svg>", ""])


def line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="{width}"/>'


def text(x: float, y: float, words: str, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}">{words}</text>'


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stem", choices=("matmul-cpu", "peers-4b-cuda"), help="which results")
    stem = parser.parse_args().stem
    newest = max(RESULTS.glob(f"{stem}-*.json"))
    target = IMAGES / f"roofline-{stem}.svg"
    target.write_text(draw(json.loads(newest.read_text())))
    print(f"{target}, from {newest.name}")


if __name__ == "__main__":
    main()
