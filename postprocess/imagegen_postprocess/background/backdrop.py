"""The backdrop: a smooth colour surface fitted to the picture's border, and how far each pixel is from it.

Colours are CIE Lab, distances CIE 1976 Delta E (Euclidean in Lab). It does not know what the product looks
like.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imagegen_postprocess.colour.linear import lab_to_light
from imagegen_postprocess.planes import dot, planes_of
from imagegen_postprocess.subject import Mask, Plane

Numbers = npt.NDArray[np.float64]

RING_SHARE = 0.025  # width of the border ring, as a share of the shorter side
FAR = 15.0  # Delta E from which a border pixel is another thing, not uneven light
FIRST_REACH = 12.0  # Delta E within which a border pixel can belong to a candidate backdrop colour
# |x| of a 3-D Gaussian with unit deviation per axis has median 1.538 and 95th percentile 2.795. The larger
# estimate counts: JPEG leaves most blocks of a dark backdrop flat and some far off, which a median does not
# see.
_MEDIAN_OF_NORM = 1.538
_P95_OF_NORM = 2.795


@dataclass(frozen=True)
class Backdrop:
    """surface: float32 [H, W, 3] Lab, the backdrop's colour at every pixel, also behind the product.

    noise: standard deviation per Lab axis around the surface. span: largest Delta E between two points of the
    surface (vignetting, uneven light). Of the border ring, 0..1: drift is the share a little off the surface
    (a blurred room drifts, a sheet of paper does not), touched the share far off it (a product that reaches
    the border).
    """

    surface: Plane
    noise: float
    span: float
    drift: float
    touched: float

    def distance(self, lab: Plane) -> Plane:
        """Delta E of each pixel to the surface: [H, W, 3] -> [H, W]."""
        residual = planes_of(lab - self.surface)
        return np.sqrt(dot(residual, residual))

    def light(self) -> Plane:
        """The surface in linear light, [H, W, 3]."""
        return lab_to_light(self.surface)

    @property
    def lightness(self) -> float:
        """Largest L* of the surface."""
        return float(self.surface[..., 0].max())

    @property
    def chroma(self) -> float:
        """Smallest Lab chroma of the surface."""
        return float(np.hypot(self.surface[..., 1], self.surface[..., 2]).min())


def fit_backdrop(lab: Plane) -> Backdrop:
    """Fit a backdrop to the border ring of a Lab picture [H, W, 3].

    Robust to a product that touches the border: of the medians of the ring and of each of its sides and
    corners, the one with most company wins, then plane and quadratic are fitted to its inliers by trimmed
    least squares.
    """
    height, width = lab.shape[:2]
    ring = _ring(height, width)
    colours = lab[ring].astype(np.float64)
    terms = _terms(height, width)
    ring_terms = terms[ring]
    near = np.zeros(len(colours), bool)
    for candidate in _candidates(lab):
        company = np.linalg.norm(colours - candidate, axis=1) < FIRST_REACH
        if company.sum() > near.sum():
            near = company
    for order in (3, 3, 6, 6):
        coefficients = np.zeros((6, 3))
        coefficients[:order] = _least_squares(ring_terms[near][:, :order], colours[near])
        distance = np.linalg.norm(colours - ring_terms @ coefficients, axis=1)
        noise = _deviation(distance[near])
        trimmed = distance < max(2.5, 4 * noise)
        if trimmed.sum() < 32:
            break
        near = trimmed
    distance = np.linalg.norm(colours - ring_terms @ coefficients, axis=1)
    off, far = distance >= max(2.5, 4 * noise), distance >= max(FAR, 4 * noise)
    return _backdrop(terms, coefficients, noise, drift=float((off & ~far).mean()), touched=float(far.mean()))


def refit_backdrop(lab: Plane, background: Mask, first: Backdrop) -> Backdrop:
    """Fit again on all pixels now known to be background: steadier than the border alone."""
    height, width = lab.shape[:2]
    known = np.flatnonzero(background.ravel())
    if len(known) < 64:
        return first
    known = known[:: max(1, len(known) // 20_000)]
    terms = _terms(height, width)
    known_terms, colours = terms.reshape(-1, 6)[known], lab.reshape(-1, 3)[known].astype(np.float64)
    coefficients = _least_squares(known_terms, colours)
    distance = np.linalg.norm(colours - known_terms @ coefficients, axis=1)
    return _backdrop(terms, coefficients, _deviation(distance), first.drift, first.touched)


def _deviation(distance: Numbers) -> float:
    median, p95 = np.percentile(distance, (50, 95))
    return float(max(median / _MEDIAN_OF_NORM, p95 / _P95_OF_NORM))


def _backdrop(terms: Numbers, coefficients: Numbers, noise: float, drift: float, touched: float) -> Backdrop:
    surface = (terms @ coefficients).astype(np.float32)
    surface[..., 0] = np.clip(surface[..., 0], 0.0, 100.0)
    grid = surface[:: max(1, surface.shape[0] // 16), :: max(1, surface.shape[1] // 16)].reshape(-1, 3)
    span = float(np.linalg.norm(grid.max(axis=0) - grid.min(axis=0)))
    return Backdrop(surface, noise, span, drift, touched)


def _ring(height: int, width: int) -> Mask:
    thickness = _ring_width(height, width)
    ring = np.ones((height, width), bool)
    ring[thickness:-thickness, thickness:-thickness] = False
    return ring


def _ring_width(height: int, width: int) -> int:
    return max(2, round(RING_SHARE * min(height, width)))


def _candidates(lab: Plane) -> list[Numbers]:
    height, width = lab.shape[:2]
    across, down = width // 6 + 1, height // 6 + 1
    t = _ring_width(height, width)
    top, bottom, left, right = lab[:t], lab[-t:], lab[:, :t], lab[:, -t:]
    parts = [
        top,
        bottom,
        left,
        right,
        top[:, :across],
        top[:, -across:],
        bottom[:, :across],
        bottom[:, -across:],
    ]
    parts += [left[:down], left[-down:], right[:down], right[-down:]]
    flat = [part.reshape(-1, 3) for part in parts]
    return [np.median(part, axis=0) for part in [np.concatenate(flat[:4]), *flat]]


def _terms(height: int, width: int) -> Numbers:
    """[H, W, 6]: 1, x, y, x*y, x^2, y^2 over -1..1."""
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    return np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=-1)


def _least_squares(terms: Numbers, colours: Numbers) -> Numbers:
    """Ridge solution; the small penalty keeps the bend from running wild where only a border was seen."""
    penalty = np.full(terms.shape[1], 1e-3 * len(terms))
    penalty[0] = 0.0
    return np.asarray(np.linalg.solve(terms.T @ terms + np.diag(penalty), terms.T @ colours), np.float64)
