"""The watermark: how visible, how often found after what shops do to pictures, how often where it is not.

    PYTHONPATH=.:postprocess .venv/bin/python -m benchmarks.bench_watermark

Needs ../shared/data. Scores say how far from chance; the threshold is imagegen_postprocess's own.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmarks.machine import describe_machine, write_results
from benchmarks.real_photos import photos, products
from imagegen_postprocess import Recipe, detect_watermark, embed_watermark, finish
from imagegen_postprocess.provenance.watermark import _GRID, THRESHOLD, _scales

SIDE = 1024


def as_jpeg(picture: Image.Image, quality: int = 80) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "jpeg", quality=quality)
    return Image.open(buffer)


def resized(picture: Image.Image, by: float) -> Image.Image:
    return picture.resize((round(picture.width * by), round(picture.height * by)), Image.Resampling.LANCZOS)


def cropped(picture: Image.Image) -> Image.Image:
    left, top = round(0.03 * picture.width), round(0.07 * picture.height)
    return picture.crop((left, top, left + round(0.9 * picture.width), top + round(0.9 * picture.height)))


ATTACKS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "none": lambda picture: picture,
    "jpeg 80": as_jpeg,
    "jpeg 60": lambda picture: as_jpeg(picture, 60),
    "50 %": lambda picture: resized(picture, 0.5),
    "71 %": lambda picture: resized(picture, 0.71),
    "150 %": lambda picture: resized(picture, 1.5),
    "crop 10 %": cropped,
    "crop 10 %, 71 %, jpeg 80": lambda picture: as_jpeg(resized(cropped(picture), 0.71)),
    "crop 10 %, 50 %, jpeg 80": lambda picture: as_jpeg(resized(cropped(picture), 0.5)),
    "25 %": lambda picture: resized(picture, 0.25),
    "turned by 2 degrees": lambda picture: picture.rotate(2, Image.Resampling.BICUBIC, fillcolor="white"),
}


def psnr(before: Image.Image, after: Image.Image, *, product_only: bool) -> float:
    one, other = np.asarray(before, np.float64), np.asarray(after, np.float64)
    error = (one - other) ** 2
    if product_only:
        error = error[(one != 255).any(axis=-1)]
    return float(10 * np.log10(255**2 / max(1e-9, error.mean())))


def ssim(before: Image.Image, after: Image.Image) -> float:
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(  # type: ignore[no-untyped-call]
            np.asarray(before.convert("L")), np.asarray(after.convert("L"))
        )
    )


def marked_pictures(count: int) -> dict[str, Any]:
    """Finished product photos, enlarged from 224 pixels to a shop's 1024 as the starter's pictures are."""
    scores: dict[str, list[float]] = {name: [] for name in ATTACKS}
    visible: dict[str, list[float]] = {"psnr": [], "psnr_product": [], "ssim": []}
    seconds: dict[str, list[float]] = {"embed": [], "detect": []}
    for _, photo in products(count):
        plain = finish(photo, Recipe(width=SIDE, height=SIDE)).picture
        started = time.perf_counter()
        marked = embed_watermark(plain)
        seconds["embed"].append(time.perf_counter() - started)
        visible["psnr"].append(psnr(plain, marked, product_only=False))
        visible["psnr_product"].append(psnr(plain, marked, product_only=True))
        visible["ssim"].append(ssim(plain, marked))
        for name, attack in ATTACKS.items():
            attacked = attack(marked)
            started = time.perf_counter()
            scores[name].append(detect_watermark(attacked).score)
            if name == "none":
                seconds["detect"].append(time.perf_counter() - started)
    return {
        "pictures": count,
        "found_share": {
            name: round(sum(s >= THRESHOLD for s in found) / len(found), 4) for name, found in scores.items()
        },
        "least_and_median_score": {
            name: [round(min(found), 2), round(statistics.median(found), 2)] for name, found in scores.items()
        },
        **{
            f"{name}_least_and_median": [round(min(v), 4), round(statistics.median(v), 4)]
            for name, v in visible.items()
        },
        **{f"{name}_seconds_median": round(statistics.median(v), 3) for name, v in seconds.items()},
    }


def unmarked_pictures(count: int) -> dict[str, Any]:
    scores = [detect_watermark(picture).score for _, picture in photos(1200)]
    real = len(scores)
    for _, photo in products(count, skip=1):
        scores.append(detect_watermark(photo).score)
        scores.append(detect_watermark(resized(photo, 3)).score)
    return {
        "photos": real,
        "product_photos_in_two_sizes": len(scores) - real,
        "found": sum(score >= THRESHOLD for score in scores),
        "greatest_score": max(scores),
        "median_score": round(statistics.median(scores), 2),
        "p99_score": round(float(np.percentile(scores, 99)), 2),
    }


def catalogue(count: int) -> dict[str, Any]:
    """Unmarked catalogue photos as they are, 224 pixels: scores, beside what chance allows."""
    scores = np.array([detect_watermark(photo).score for _, photo in products(count, skip=2)])
    return {
        "pictures": len(scores),
        "found": int((scores >= THRESHOLD).sum()),
        "greatest_score": float(scores.max()),
        "above_5.5_seen_and_at_most_expected": [
            int((scores > 5.5).sum()),
            round(len(scores) * false_positives(224, 5.5), 1),
        ],
    }


def false_positives(side: int, threshold: float = THRESHOLD) -> float:
    """An upper bound of the chance that an unmarked picture, whatever it shows, reaches the threshold.

    The pattern's phases were drawn without looking at any picture, so each correlation is a sum of
    independent cosines of even phases, of variance 1; its moments are below a normal's
    (I0(x) <= exp(x*x/4)), so it exceeds t with a chance of exp(-t*t/2) at most (Chernoff). Offsets times
    scales are that many tries.
    """
    tries = len(_scales(side)) * _GRID**2
    return float(tries * np.exp(-(threshold**2) / 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--marked", type=int, default=60)
    parser.add_argument("--unmarked", type=int, default=400)
    parser.add_argument("--catalogue", type=int, default=4000)
    parser.add_argument("--catalogue-only", action="store_true", help="only false positives, minutes")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    results = {
        "benchmark": "watermark",
        "machine": describe_machine(),
        "threshold": THRESHOLD,
        "false_positives_at_most": {
            f"{side} pixels": float(f"{false_positives(side):.1e}") for side in (224, 1024, 2048)
        },
        "catalogue": catalogue(arguments.catalogue),
    }
    if arguments.catalogue_only:
        print(write_results("watermark-unmarked", "cpu", results))
        return
    results["unmarked"] = unmarked_pictures(arguments.unmarked)
    results["marked"] = marked_pictures(arguments.marked)
    print(write_results("watermark", "cpu", results))


if __name__ == "__main__":
    main()
