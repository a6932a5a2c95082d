"""Cut-outs beside u2netp: how near the truth, how long, and whether memory stays flat.

    PYTHONPATH=. .venv/bin/python -m benchmarks.bench_cutout --data ../shared/data --work WORK [--sheet FILE]

WORK is the folder of a training run (training/cutout): its held-out products make our own composites, which
are drawn anew from a fixed seed. Every method gets every picture in turn, on the same number of threads. The
truth of plain-background pictures is exact, because they are composed too: benchmarks/plain_photos.py at a
shop's sizes, and held-out products as small as the catalogue has them ("small").
"""

from __future__ import annotations

import argparse
import gc
import random
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.cut_out_scores import Alpha, scores, summary
from benchmarks.cut_out_sheet import Drawn, draw_worst
from benchmarks.machine import describe_machine, write_results
from benchmarks.plain_photos import HIDDEN, PALE, composite_foregrounds, plain_photo
from imagegen_postprocess.background.cut_out import cut_out
from imagegen_postprocess.background.models import Models
from imagegen_postprocess.subject import Subject
from training.cutout.composites import Composer, photographed, shadowed
from training.cutout.foregrounds import read_foregrounds
from training.cutout.scenes import Scenes, read_photos
from training.cutout.textures import plain

Pixels = NDArray[np.uint8]
Method = Callable[[Pixels], tuple[Alpha, dict[str, Any]]]
SIDE = 512  # of our own composites
SHEETS_EACH = 2  # plain pictures of each of the composites' products
NO_PRODUCTS = frozenset({"064"})  # its cut-out holds the white floor that mirrors the phones
# Held-out products whose cut-out is the product and nothing else, chosen by eye on magenta, before any result
# was seen. The plain segmenter made these cut-outs; many others hold a rest of shadow or lack a white part.
# fmt: off
CLEAN = (
    1, 2, 3, 8, 10, 13, 14, 17, 19, 24, 27, 29, 34, 35, 37, 43, 51, 53, 60, 67, 73, 77, 82, 85, 88, 89, 91,
    92, 93, 94, 105, 107, 113, 116, 117, 119, 120, 126, 129, 136, 137, 138, 141, 146, 149, 152, 153, 160,
    161, 169, 171, 172, 175, 180, 184, 185,
)
# fmt: on
CONFIDENCE_STEPS = (0.0, 0.25, 0.5, 0.75, 0.9, 1.01)


@dataclass(frozen=True)
class Case:
    name: str
    pixels: Pixels
    truth: Alpha
    sheet: str = ""
    contrast: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with cutouts/, products/, weights/")
    parser.add_argument("--work", type=Path, required=True, help="work folder of training/cutout")
    parser.add_argument("--own", type=int, default=60, help="held-out composites")
    parser.add_argument("--small", type=int, default=60, help="small plain-background composites")
    parser.add_argument("--sets", nargs="+", help="only these (default: all)")
    parser.add_argument("--many", type=int, default=1000, help="pictures of the memory run")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sheets", type=Path, help="folder for the ten worst of each set (PNG)")
    arguments = parser.parse_args()
    cv2.setNumThreads(arguments.threads)
    models = Models(arguments.data / "weights", threads=arguments.threads)
    methods = {name: _method(name, models) for name in ("auto", "plain", "bundled")}
    methods["u2netp"] = _peer(arguments)
    for method in methods.values():  # load everything before the clock starts
        method(np.full((64, 64, 3), 128, np.uint8))
    sets = {
        "composites": list(_folder(arguments.data / "cutouts", "[0-9]*")),
        "street": list(_folder(arguments.data / "cutouts", "ccp_*")),
        "own": list(_own(arguments.data, arguments.work, arguments.own)),
        "plain": list(_plain(arguments.data, arguments.work)),
        "small": list(_small(arguments.work, arguments.small)),
    }
    sets = {name: cases for name, cases in sets.items() if name in (arguments.sets or sets)}
    results: dict[str, Any] = {"machine": describe_machine(), "threads": arguments.threads, "sets": {}}
    judged: list[tuple[float, bool, float]] = []
    for name, cases in sets.items():
        rows, seconds, kept = _run(cases, methods)
        results["sets"][name] = {
            method: summary(rows[method]) | {"seconds": _seconds(seconds[method])} for method in methods
        }
        ratios = [ours / theirs for ours, theirs in zip(seconds["auto"], seconds["u2netp"], strict=True)]
        results["sets"][name]["seconds_auto_to_u2netp"] = round(statistics.median(ratios), 3)
        results["sets"][name]["pictures"] = [
            {"name": case.name, "how": kept[place][1]}
            | {method: _rounded(rows[method][place]) for method in methods}
            for place, case in enumerate(cases)
        ]
        if name == "plain":
            results["sets"][name]["by_sheet"] = _by_sheet(cases, rows["auto"])
            results["sets"][name]["flagged"] = _flagged([how for _, how, _ in kept], rows["auto"])
        if name == "street":
            results["sets"][name]["flagged"] = f"{sum(how['review'] for _, how, _ in kept)} of {len(kept)}"
        else:
            judged += [
                (float(how.get("confidence", 0)), bool(how["review"]), row["iou"])
                for (_, how, _), row in zip(kept, rows["auto"], strict=True)
            ]
        for label in methods:
            print(name, label, results["sets"][name][label], flush=True)
        if arguments.sheets:
            draw_worst(
                arguments.sheets / f"cutout-{name}.png",
                [
                    Drawn(
                        case.name,
                        case.pixels,
                        case.truth,
                        *kept[place],
                        rows["auto"][place]["iou"],
                        rows["u2netp"][place]["iou"],
                    )
                    for place, case in enumerate(cases)
                ],
            )
    results["confidence"] = _calibration(judged)
    if arguments.many:
        everything = [case for cases in sets.values() for case in cases]
        results["memory"] = _memory(everything, methods["auto"], arguments.many)
    if arguments.sets:
        print(results["confidence"], results.get("memory"))
    else:
        print(write_results("cutout", "cpu", results))


def _method(name: str, models: Models) -> Method:
    def run(pixels: Pixels) -> tuple[Alpha, dict[str, Any]]:
        cut, note = cut_out(Subject(pixels), name, models, keep_shadow=False)
        nothing = np.ones(pixels.shape[:2], np.float32)
        return (nothing if cut.alpha is None else cut.alpha), dict(note.detail)

    return run


def _peer(arguments: argparse.Namespace) -> Method:
    """u2netp as rembg runs it, mask only: no colours cleaned, which ours does within its time."""
    import onnxruntime
    from rembg.sessions.u2netp import U2netpSession

    class Local(U2netpSession):  # type: ignore[misc]
        @classmethod
        def download_models(cls, *_: Any, **__: Any) -> str:
            return str(arguments.data / "weights" / "u2netp.onnx")

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    session = Local("u2netp", options, providers=["CPUExecutionProvider"])

    def run(pixels: Pixels) -> tuple[Alpha, dict[str, Any]]:
        (mask,) = session.predict(Image.fromarray(pixels))
        return np.asarray(np.asarray(mask, np.float32) / 255, np.float32), {}

    return run


def _run(
    cases: list[Case], methods: dict[str, Method]
) -> tuple[
    dict[str, list[dict[str, float]]], dict[str, list[float]], list[tuple[Alpha, dict[str, Any], Alpha]]
]:
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in methods}
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    kept = []
    for case in cases:
        answers = {}
        for name, method in methods.items():
            started = time.perf_counter()
            answers[name] = method(case.pixels)
            seconds[name].append(time.perf_counter() - started)
            rows[name].append(scores(answers[name][0], case.truth))
        kept.append((answers["auto"][0], answers["auto"][1], answers["u2netp"][0]))
    return rows, seconds, kept


def _folder(folder: Path, pattern: str) -> Iterator[Case]:
    for file in sorted(folder.glob(f"{pattern}_alpha.png")):
        name = file.name.removesuffix("_alpha.png")
        with Image.open(folder / f"{name}.jpg") as photo, Image.open(file) as truth:
            alpha = np.asarray(np.asarray(truth.convert("L")) / 255, np.float32)
            yield Case(name, np.asarray(photo.convert("RGB")), alpha)


def _own(data: Path, work: Path, count: int) -> Iterator[Case]:
    products = read_foregrounds(work / "foregrounds" / "held-out.npz")
    photos = read_photos(data / "products" / "clothing-cc0.parquet", held_out=True)
    composer, rng = Composer(products, Scenes(photos, products)), random.Random(35)
    for number in range(count):
        drawn = composer.draw(SIDE, SIDE, rng)
        yield Case(f"own-{number:03}", drawn.pixels, np.asarray(drawn.alpha / 255, np.float32))


def _plain(data: Path, work: Path) -> Iterator[Case]:
    """Products of the composites and clean held-out ones, on plain sheets, at a shop's sizes."""
    for name, product in composite_foregrounds(data / "cutouts", NO_PRODUCTS):
        for number in range(SHEETS_EACH):
            yield _plain_case(f"{name}-{number}", product)
    held_out = read_foregrounds(work / "foregrounds" / "held-out.npz")
    for index in CLEAN:
        product = np.asarray(np.pad(held_out[index], ((2, 2), (2, 2), (0, 0))) / 255, np.float32)
        yield _plain_case(f"held-out-{index:03}", product)


def _plain_case(name: str, product: Alpha) -> Case:
    drawn = plain_photo(product, random.Random(name))
    return Case(name, drawn.pixels, drawn.alpha, drawn.sheet, drawn.contrast)


def _small(work: Path, count: int) -> Iterator[Case]:
    """Held-out products on plain sheets, never cut off at the border and never enlarged."""
    products, rng = read_foregrounds(work / "foregrounds" / "held-out.npz"), random.Random(36)
    for number in range(count):
        thing = products[rng.randrange(len(products))]
        height, width = (
            round(thing.shape[0] * rng.uniform(1.2, 2)),
            round(thing.shape[1] * rng.uniform(1.2, 2)),
        )
        layer = np.zeros((height, width, 4), np.float32)
        top, left = (height - thing.shape[0]) // 2, (width - thing.shape[1]) // 2
        layer[top : top + thing.shape[0], left : left + thing.shape[1]] = thing / np.float32(255)
        alpha = layer[..., 3:]
        sheet = shadowed(plain(width, height, rng), alpha[..., 0], rng)
        picture = (alpha * layer[..., :3] ** 2.2 + (1 - alpha) * sheet**2.2) ** (1 / 2.2)
        yield Case(f"small-{number:03}", photographed(np.asarray(picture, np.float32), rng), alpha[..., 0])


def _seconds(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 4), "p95": round(float(np.percentile(values, 95)), 4)}


def _rounded(row: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in row.items()}


def _by_sheet(cases: list[Case], rows: list[dict[str, float]]) -> dict[str, str]:
    """How many pictures reach IoU 0.98: by sheet, by how far the outline can be seen, by product's origin."""
    good: dict[str, list[bool]] = {}
    for case, row in zip(cases, rows, strict=True):
        outline = "hidden" if case.contrast < HIDDEN else "pale" if case.contrast < PALE else "clear"
        product = "held-out product" if case.name.startswith("held-out") else "composites' product"
        for kind in (case.sheet, f"{outline} outline", product):
            good.setdefault(kind, []).append(row["iou"] >= 0.98)
    return {kind: f"{sum(reached)} of {len(reached)}" for kind, reached in sorted(good.items())}


def _flagged(hows: list[dict[str, Any]], rows: list[dict[str, float]]) -> dict[str, Any]:
    """Whom the review flag found, by overlap, and how well confidence tells pictures at 0.98 from others."""
    found: dict[str, Any] = {}
    for label, low, high in (
        ("below 0.95", 0.0, 0.95),
        ("0.95 to 0.98", 0.95, 0.98),
        ("from 0.98", 0.98, 1.01),
    ):
        inside = [how["review"] for how, row in zip(hows, rows, strict=True) if low <= row["iou"] < high]
        found[label] = f"{sum(inside)} of {len(inside)}"
    sure: dict[bool, list[float]] = {True: [], False: []}
    for how, row in zip(hows, rows, strict=True):
        sure[row["iou"] >= 0.98].append(float(how["confidence"]))
    pairs = [(good > bad) + 0.5 * (good == bad) for good in sure[True] for bad in sure[False]]
    found["surer_of_the_better_of_two"] = round(statistics.mean(pairs), 3) if pairs else None
    return found


def _calibration(judged: list[tuple[float, bool, float]]) -> dict[str, Any]:
    """What became of cut-outs of each confidence, and whom the review flag found."""
    table = []
    for low, high in pairwise(CONFIDENCE_STEPS):
        inside = [overlap for sure, _, overlap in judged if low <= sure < high]
        if inside:
            good = sum(overlap >= 0.9 for overlap in inside) / len(inside)
            table.append(
                {
                    "from": low,
                    "to": min(high, 1.0),
                    "pictures": len(inside),
                    "iou_at_least_0.9": round(good, 3),
                }
            )
    bad = [review for _, review, overlap in judged if overlap < 0.8]
    good_ones = [review for _, review, overlap in judged if overlap >= 0.9]
    return {
        "table": table,
        "flagged_of_iou_below_0.8": f"{sum(bad)} of {len(bad)}",
        "flagged_of_iou_from_0.9": f"{sum(good_ones)} of {len(good_ones)}",
    }


def _memory(cases: list[Case], method: Method, count: int) -> dict[str, Any]:
    """Resident megabytes after each tenth of `count` pictures of changing sizes, by one session."""
    sizes, rng, marks = (256, 384, 512, 800), random.Random(1), []
    for number in range(count):
        case, side = cases[number % len(cases)], rng.choice(sizes)
        height = max(32, round(side * case.pixels.shape[0] / case.pixels.shape[1]))
        method(np.asarray(cv2.resize(case.pixels, (side, height), interpolation=cv2.INTER_AREA), np.uint8))
        if (number + 1) % max(1, count // 10) == 0:
            gc.collect()
            marks.append(round(_resident(), 1))
    return {"pictures": count, "resident_mb": marks, "peak_mb": round(_peak(), 1)}


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
