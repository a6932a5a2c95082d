"""The latent cache as training batches: normalised tokens with captions drawn anew each time."""

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from training.captions import THUMBNAIL_WIDTH, Attributes, caption
from training.colour_names import BASIC_OF
from training.distractors import distract
from training.labels import checked
from training.networks import patchify
from training.prepare import read_shards

EMPTY_CAPTION_CHANCE = 0.1  # for classifier-free guidance
DISTRACTED_CHANCE = 0.3
SHARP = 8.0  # how often a sharp photo is drawn for each time a thumbnail is
EVENNESS = 0.4  # 0: items and colours as often as the catalogue has them; 1: all alike
FEWEST = 30  # photos; rarer items and colours gain no further
VARIANCE_EPSILON = 1e-4  # AutoencoderKLFlux2's batch_norm_eps


@dataclass(frozen=True)
class Statistics:
    """Per-channel mean and variance [128] of raw tokens: what vae.bn holds."""

    mean: torch.Tensor
    variance: torch.Tensor

    def normalize(self, tokens: torch.Tensor) -> torch.Tensor:
        return (tokens - self.mean) / (self.variance + VARIANCE_EPSILON).sqrt()

    def denormalize(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens * (self.variance + VARIANCE_EPSILON).sqrt() + self.mean


class CaptionedLatents:
    """One split of the cache. tokens: float16 [N, 64, 128], normalised; weights: sampling weight of each.

    `statistics` normalise the tokens; by default those of the split's sharp photos.
    """

    def __init__(self, cache: Path, split: str, statistics: Statistics | None = None) -> None:
        tokens: list[torch.Tensor] = []
        self.attributes: list[Attributes] = []
        for shard in read_shards(cache):
            rows = [row for row, record in enumerate(shard.records) if record["split"] == split]
            tokens.append(patchify(torch.from_numpy(shard.latents[np.array(rows, dtype=int)]).float()))
            self.attributes += [checked(shard.records[row]) for row in rows]
        raw = torch.cat(tokens)
        self.weights = torch.tensor(sampling_weights(self.attributes))
        if statistics is None:
            # Of the sharp photos only: those are what the model is asked for.
            sharp = raw[torch.tensor([int(row["width"]) >= THUMBNAIL_WIDTH for row in self.attributes])]
            flat = sharp.reshape(-1, raw.shape[-1])
            statistics = Statistics(flat.mean(0), flat.var(0, unbiased=False))
        self.statistics = statistics
        self.tokens = self.statistics.normalize(raw).half()

    def __len__(self) -> int:
        return len(self.tokens)

    def batch(
        self, size: int, generator: torch.Generator, rng: random.Random
    ) -> tuple[torch.Tensor, list[str]]:
        """Tokens float32 [size, 64, 128] and their captions."""
        rows = torch.multinomial(self.weights, size, replacement=True, generator=generator)
        return self.tokens[rows].float(), [self.phrase(row, rng) for row in rows.tolist()]

    def phrase(self, row: int, rng: random.Random) -> str:
        """A training caption of one photo: sometimes empty, sometimes with words that mean nothing to it."""
        if rng.random() < EMPTY_CAPTION_CHANCE:
            return ""
        text = caption(self.attributes[row], rng)
        return distract(text, rng) if rng.random() < DISTRACTED_CHANCE else text


def sampling_weights(attributes: list[Attributes]) -> list[float]:
    """Sharp photos weigh more than thumbnails, photos of rare items and of rare colours more than others."""
    items = Counter(row["item"] for row in attributes)
    colours = Counter(BASIC_OF.get(row["colour"]) for row in attributes)
    return [
        (SHARP if int(row["width"]) >= THUMBNAIL_WIDTH else 1.0)
        * max(items[row["item"]], FEWEST) ** -EVENNESS
        * max(colours[BASIC_OF.get(row["colour"])], FEWEST) ** -EVENNESS
        for row in attributes
    ]
