"""Every preset on real photos: does our checker pass what finishing makes, and does a second measure agree?

    PYTHONPATH=.:postprocess .venv/bin/python -m benchmarks.bench_presets

Needs ../shared/data. The second measurement shares no code with the checker: Pillow reads the file anew, the
box of what is not near white is taken from row and column sums.
"""

from __future__ import annotations

import argparse
import io
import time
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmarks.machine import describe_machine, write_results
from benchmarks.real_photos import products
from imagegen_postprocess import (
    Preset,
    Recipe,
    check,
    encode_within,
    finish_each,
    load_preset,
    preset_names,
)


def measured_again(data: bytes, preset: Preset) -> list[str]:
    """What is wrong with the file by the preset's own numbers; empty when nothing is."""
    wrong = []
    with Image.open(io.BytesIO(data)) as opened:
        if opened.format != preset.format.upper():
            wrong.append(f"format {opened.format}")
        if opened.size != (preset.width, preset.height):
            wrong.append(f"size {opened.size}")
        if not opened.info.get("icc_profile"):
            wrong.append("no profile")
        pixels = np.asarray(opened.convert("RGB")).astype(int)
    if preset.max_bytes is not None and len(data) > preset.max_bytes:
        wrong.append(f"{len(data)} bytes")
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
    if (corners != 255).any():
        wrong.append("corners are not white")
    dark = pixels.min(axis=2) < 240
    down, across = np.flatnonzero(dark.sum(axis=1) > 1), np.flatnonzero(dark.sum(axis=0) > 1)
    if not len(down):
        return [*wrong, "empty"]
    fill = max(np.ptp(down) + 1 if len(down) else 0, 0) / preset.height
    fill = max(fill, (np.ptp(across) + 1) / preset.width)
    if abs(fill - preset.fill) > 0.03:
        wrong.append(f"fill {fill:.3f} for {preset.fill}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=20)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    presets = [load_preset(name) for name in preset_names()]
    table: dict[str, dict[str, Any]] = {
        preset.name: {"passed": 0, "agreed": 0, "failures": []} for preset in presets
    }
    names, seconds = [], []
    for name, photo in products(arguments.photos, skip=7):
        started = time.process_time()
        finished = finish_each(photo, [Recipe.from_dict({"preset": preset.name}) for preset in presets])
        seconds.append(time.process_time() - started)
        names.append(name)
        for preset, made in zip(presets, finished, strict=True):
            least = preset.min_quality or 50
            data = encode_within(made.picture, preset.format, preset.max_bytes, max(90, least), least)
            report = check(data, preset, "".join(preset.file_name("7891234567895", preset.format)))
            again = measured_again(data, preset)
            entry = table[preset.name]
            entry["passed"] += report.passed
            entry["agreed"] += not again
            broken = [f"{found.limit.measure} {found.shown}" for found in report.having("fail")]
            if broken or again:
                entry["failures"].append({"photo": name, "checker": broken, "second": again})
    results = {
        "benchmark": "presets",
        "machine": describe_machine(),
        "photos": names,
        "cpu_s_for_all_presets_of_a_photo_median": round(float(np.median(seconds)), 2),
        "presets": table,
    }
    print(write_results("presets", "cpu", results))


if __name__ == "__main__":
    main()
