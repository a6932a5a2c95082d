"""Encode every photo once into the FLUX.2 latent space, measure its colour, and keep the result in shards.

A shard is written whole (temporary file, then rename), so a killed run continues at the first missing one.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.colour_names import clear_colour_name
from training.products import Product, read_products, square_on_white
from training.taef2 import load_encoder

log = logging.getLogger(__name__)

SHARD = 1024
BATCH = 32


@dataclass(frozen=True)
class LatentShard:
    """latents: float16 [N, 32, 16, 16] raw FLUX.2 latents.

    records: attributes, id, split and measured colour ("" where it is not clear) of each.
    """

    latents: NDArray[np.float16]
    records: list[dict[str, str]]


def prepare(parquets: list[Path], encoder_weights: Path, cache: Path, latent_pixels: int) -> None:
    """Encode all products of `parquets` at `latent_pixels` square; write `cache`/NAME-NNN.npz and .json."""
    cache.mkdir(parents=True, exist_ok=True)
    # channels_last bf16 encodes 60 photos a second on two cores, contiguous fp32 8; the mean error is 2.4 %
    # of a latent's deviation and the reconstruction error stays the same.
    encoder = load_encoder(encoder_weights).to(torch.bfloat16)
    encoder = encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for parquet in parquets:
        rows = list(read_products(parquet))
        for number, start in enumerate(range(0, len(rows), SHARD)):
            target = cache / f"{parquet.stem}-{number:03}.npz"
            if not target.exists():
                _write_shard(target, rows[start : start + SHARD], encoder, latent_pixels)
                log.info("wrote %s", target)


def _write_shard(target: Path, products: list[Product], encoder: torch.nn.Module, side: int) -> None:
    pairs = [(product, square_on_white(product.encoded, side)) for product in products]
    kept = [(product, picture) for product, picture in pairs if picture is not None]
    latents = []
    for start in range(0, len(kept), BATCH):
        batch = np.stack([picture for _, picture in kept[start : start + BATCH]])
        pictures = torch.from_numpy(batch).permute(0, 3, 1, 2)
        pictures = pictures.to(torch.bfloat16).div(255).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            latents.append(encoder(pictures).to(torch.float16).contiguous().numpy())
    records = [
        {
            "id": product.identifier,
            "split": "held-out" if product.held_out else "train",
            "measured": clear_colour_name(picture),
            **product.attributes,
        }
        for product, picture in kept
    ]
    draft = target.with_suffix(".partial")
    with draft.open("wb") as stream:
        np.savez(stream, latents=np.concatenate(latents), records=np.array(json.dumps(records)))
    draft.replace(target)


def read_shards(cache: Path) -> Iterator[LatentShard]:
    """Shards present so far, in name order."""
    for path in sorted(cache.glob("*.npz")):
        with np.load(path) as shard:
            yield LatentShard(shard["latents"], json.loads(str(shard["records"])))
