"""The same pictures by two models, one row above the other: what a quantised model lost, to look at."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagegen.pipeline.text_to_image import TextToImage
from imagegen.store.files import write_atomically
from imagegen.weights.catalog import ModelCard
from imagegen.weights.load import load_components

SEEDS = (1, 2, 3)


def write_sheet(model: ModelCard, other: ModelCard, prompt: str, path: Path) -> list[dict[str, Any]]:
    """Write a PNG with three pictures of `prompt` by `model` and, below, by `other`, of the same seeds.

    Returns the peak signal-to-noise ratio of each pair in decibels. One model is in memory at a time.
    """
    rows = [_pictures(card, prompt) for card in (model, other)]
    from PIL import Image

    sheet = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    file = BytesIO()
    Image.fromarray(sheet).save(file, "PNG")
    write_atomically(path, file.getvalue())
    return [
        {"seed": seed, "psnr_db": round(psnr_db(one, two), 2)}
        for seed, one, two in zip(SEEDS, *rows, strict=True)
    ]


def psnr_db(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio of two pictures in decibels; 99 for equal ones."""
    error = float(np.mean((one.astype(np.float64) - two) ** 2))
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))


def _pictures(card: ModelCard, prompt: str) -> list[NDArray[np.uint8]]:
    pipeline = TextToImage(load_components(card))
    return [
        pipeline.generate([prompt], [seed], card.width, card.height, card.steps).pictures[0].picture
        for seed in SEEDS
    ]
