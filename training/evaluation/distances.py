"""How far one set of pictures is from another, and how far the pictures of one set are from each other.

Works on feature vectors, whatever they mean.
"""

import numpy as np
from numpy.typing import NDArray

SUBSETS, SUBSET = 100, 100


def kernel_distance(
    found: NDArray[np.float32], wanted: NDArray[np.float32], subset: int = SUBSET
) -> tuple[float, float]:
    """Kernel distance (KID, Binkowski 2018) of features [N, D] and [M, D], and its standard error.

    The unbiased squared maximum mean discrepancy under the kernel (x.y / D + 1) ** 3, averaged over random
    subsets; about 0 (also just below) for two sets of one distribution. The error is that of the subsets'
    spread scaled to the whole of the smaller set.
    """
    rng = np.random.default_rng(0)
    size = min(subset, len(found), len(wanted))
    values = [
        _squared_discrepancy(
            found[rng.choice(len(found), size, replace=False)].astype(np.float64),
            wanted[rng.choice(len(wanted), size, replace=False)].astype(np.float64),
        )
        for _ in range(SUBSETS)
    ]
    smaller = min(len(found), len(wanted))
    return float(np.mean(values)), float(np.std(values) * np.sqrt(size / smaller))


def _squared_discrepancy(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    count = len(x)
    within = sum(_off_diagonal_sum(_kernel(z, z)) for z in (x, y)) / (count * (count - 1))
    return float(within - 2 * _kernel(x, y).mean())


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    kernel: NDArray[np.float64] = (x @ y.T / x.shape[1] + 1) ** 3
    return kernel


def _off_diagonal_sum(matrix: NDArray[np.float64]) -> float:
    return float(matrix.sum() - np.trace(matrix))


def mean_pairwise(vectors: NDArray[np.float32]) -> float:
    """Mean Euclidean distance over all pairs of different rows of [N, D], N at least 2."""
    distances = np.linalg.norm(vectors[:, None].astype(np.float64) - vectors[None], axis=-1)
    count = len(vectors)
    return float(distances.sum() / (count * (count - 1)))
