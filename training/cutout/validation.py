"""Pictures to choose by: products and invented things that the last training never saw, on plain sheets.

They are photographed as `benchmarks/plain_photos.py` does it.

    PYTHONPATH=. .venv/bin/python -m training.cutout.validation --work WORK

Nothing of what the benchmark reports on is among them.
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.cut_out_scores import scores
from benchmarks.plain_photos import PlainPhoto, plain_photo
from imagegen_postprocess.background.cut_out import cut_out
from imagegen_postprocess.background.models import Models
from imagegen_postprocess.subject import Subject
from training.cutout.assemblies import assemble
from training.cutout.foregrounds import read_foregrounds
from training.cutout.run import KEPT_BACK

INVENTED = 120
SEED = 2_000_003  # of the invented things; training draws its own from 64 random bits
MARGIN = 2


def validation_pictures(
    work: Path, products: int = KEPT_BACK, invented: int = INVENTED
) -> Iterator[tuple[str, PlainPhoto]]:
    """Name and picture. work: folder of a training run, with its clean cut-outs."""
    clean = read_foregrounds(work / "foregrounds" / "clean.npz")
    for number in range(products):
        thing = clean[len(clean) - KEPT_BACK + number]
        name = f"product-{number:03}"
        yield name, plain_photo(_padded(thing), random.Random(name))
    for number in range(invented):
        rng = random.Random(SEED + number)
        colour = np.full(3, rng.uniform(0.7, 1), np.float32)
        name = f"invented-{number:03}"
        thing = assemble(rng, colour)
        if (thing[..., 3] > 127).any():
            yield name, plain_photo(_padded(thing), rng)


def _padded(thing: NDArray[np.uint8]) -> NDArray[np.float32]:
    rows, columns = (np.flatnonzero((thing[..., 3] > 127).any(axis)) for axis in (1, 0))
    thing = thing[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.asarray(np.pad(thing, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))) / 255, np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="work folder of training/cutout")
    arguments = parser.parse_args()
    overlaps: dict[str, list[float]] = {}
    for name, photo in validation_pictures(arguments.work):
        cut, note = cut_out(Subject(photo.pixels), "auto", Models(threads=1), keep_shadow=False)
        alpha = np.ones_like(photo.alpha) if cut.alpha is None else cut.alpha
        overlap = scores(alpha, photo.alpha)["iou"]
        overlaps.setdefault(name.split("-")[0], []).append(overlap)
        print(f"{name} {overlap:.4f} confidence {note.detail.get('confidence')}")
    for kind, found in overlaps.items():
        reached = np.mean([overlap >= 0.98 for overlap in found])
        print(f"{kind}: {len(found)} pictures, {reached:.3f} at 0.98 or better, mean {np.mean(found):.4f}")


if __name__ == "__main__":
    main()
