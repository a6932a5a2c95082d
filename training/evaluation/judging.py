"""What the classifier and the colour function say of pictures, and how often that is what was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.captions import Attributes
from training.colour_names import BASIC_OF, colour_name
from training.evaluation.classifier import Classifier
from training.evaluation.nearest import Descriptors, low_colours
from training.evaluation.photos import SIDE, shrink


@dataclass(frozen=True)
class Verdicts:
    """Of each picture: the likeliest item, all items' probabilities [N, items], the colour, descriptors."""

    items: list[str]
    shares: NDArray[np.float32]
    colours: list[str]
    descriptors: Descriptors

    def __getitem__(self, rows: NDArray[np.int64]) -> "Verdicts":
        return Verdicts(
            [self.items[row] for row in rows],
            self.shares[rows],
            [self.colours[row] for row in rows],
            self.descriptors[rows],
        )


def judge(classifier: Classifier, pictures: NDArray[np.uint8]) -> Verdicts:
    """Verdicts on square pictures of any one size, uint8 [N, H, H, 3]; all are judged at 64x64."""
    pixels = pictures if pictures.shape[1] == SIDE else np.stack([shrink(picture) for picture in pictures])
    shares, features = classifier.judge(pixels)
    return Verdicts(
        [classifier.items[number] for number in shares.argmax(1)],
        shares,
        [colour_name(picture) for picture in pixels],
        Descriptors(low_colours(pixels), features),
    )


def describe(classifier: Classifier, pixels: NDArray[np.uint8]) -> Descriptors:
    """Only what distances need, of photos uint8 [N, 64, 64, 3]."""
    return Descriptors(low_colours(pixels), classifier.judge(pixels)[1])


def agreement(verdicts: Verdicts, asked: Sequence[Attributes]) -> dict[str, Any]:
    """How often item and colour are those `asked` for; colours without a basic name do not count."""
    items = [found == record["item"] for found, record in zip(verdicts.items, asked, strict=True)]
    colours = [
        found == BASIC_OF[record["colour"]]
        for found, record in zip(verdicts.colours, asked, strict=True)
        if record["colour"] in BASIC_OF
    ]
    return {"category": share(items), "colour": share(colours), "n": len(items), "n_colour": len(colours)}


def share(hits: Sequence[bool]) -> float | None:
    """The share of True, to four digits; None of nothing."""
    return round(sum(hits) / len(hits), 4) if len(hits) else None
