"""The training photo that a picture is closest to: a near-copy would be found here.

Two measures, since either alone is fooled: colours in place (32x32 in OKLab), which a shift hides from, and
the classifier's features, which forget colour. Each is divided by what is usual between a held-out photo
and its own nearest training photo, then they are added: 2 is as far as an unseen real product is from the
nearest one seen.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.colour_names import oklab

LOW = 32
CHUNK = 1024


@dataclass(frozen=True)
class Descriptors:
    """colours: float32 [N, 3072], scaled so that Euclidean is root mean square distance; features [N, D]."""

    colours: NDArray[np.float32]
    features: NDArray[np.float32]

    def __getitem__(self, rows: NDArray[np.int64]) -> "Descriptors":
        return Descriptors(self.colours[rows], self.features[rows])


@dataclass(frozen=True)
class Neighbours:
    """Of each picture: the row of its nearest reference, int64 [N], and the distance to it, float32 [N]."""

    rows: NDArray[np.int64]
    distances: NDArray[np.float32]


def low_colours(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pictures uint8 [N, H, H, 3] -> OKLab at 32x32 over sqrt(1024), float32 [N, 3072]."""
    rows = np.empty((len(pixels), LOW * LOW * 3), np.float32)
    for row, picture in enumerate(pixels):
        small = cv2.resize(picture, (LOW, LOW), interpolation=cv2.INTER_AREA).astype(np.uint8)
        rows[row] = oklab(small).reshape(-1) / LOW
    return rows


class Archive:
    """The training photos, and the held-out ones that say which distances are usual."""

    def __init__(self, seen: Descriptors, unseen: Descriptors) -> None:
        self.seen = seen
        self.scales = tuple(
            float(np.median(_distances(mine, theirs).min(axis=1)))
            for mine, theirs in ((unseen.colours, seen.colours), (unseen.features, seen.features))
        )

    def nearest(self, pictures: Descriptors) -> Neighbours:
        """The nearest training photo of each picture."""
        rows, distances = [], []
        for start in range(0, len(pictures.colours), CHUNK):
            some = slice(start, start + CHUNK)
            total = _distances(pictures.colours[some], self.seen.colours) / self.scales[0]
            total += _distances(pictures.features[some], self.seen.features) / self.scales[1]
            rows.append(total.argmin(axis=1))
            distances.append(total.min(axis=1))
        return Neighbours(np.concatenate(rows), np.concatenate(distances))


def _distances(mine: NDArray[np.float32], theirs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Euclidean distances of [N, D] to [M, D], float32 [N, M]."""
    squared = (mine**2).sum(1)[:, None] + (theirs**2).sum(1) - 2 * mine @ theirs.T
    distances: NDArray[np.float32] = np.sqrt(np.maximum(squared, 0))
    return distances
