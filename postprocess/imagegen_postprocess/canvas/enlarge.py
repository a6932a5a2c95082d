"""A product enlarged by a network before it is placed: colours by the network, the outline by resampling."""

from __future__ import annotations

import cv2
import numpy as np

from imagegen_postprocess.background.models import Models
from imagegen_postprocess.canvas.upscale import factor_of, upscale
from imagegen_postprocess.canvas.upscalers import find_upscaler, licence_of
from imagegen_postprocess.colour.linear import to_light, to_pixels
from imagegen_postprocess.report import Detail
from imagegen_postprocess.subject import Pixels, Plane, Subject

MOST_PIXELS = 25_000_000  # of the result: placing it takes about 30 bytes a pixel
_RIM = 0.05  # of the longer side: how far colours are drawn out beyond the outline


def enlarge(subject: Subject, name: str, models: Models) -> tuple[Subject, Detail, str]:
    """The subject's product, cropped, by the upscaler `name`: what it became, numbers for the report, a note.

    A result above 25 megapixels is not begun: the subject comes back as it is and the note says so. Raises
    what `find_upscaler` and `upscale` raise.
    """
    path = find_upscaler(name, models)
    detail: Detail = {"upscaler": name, "upscaler_licence": licence_of(name).name}
    factor = factor_of(path, models.threads)
    pixels, alpha = _cropped(subject)
    megapixels = pixels.shape[0] * pixels.shape[1] * factor**2 / 1e6
    if megapixels > MOST_PIXELS / 1e6:
        return subject, detail, f"too large for {name} ({megapixels:.0f} megapixels): resampled instead"
    larger = upscale(pixels if alpha is None else _drawn_out(pixels, alpha), path, models.threads)
    if alpha is not None:
        size = (larger.shape[1], larger.shape[0])
        alpha = np.clip(cv2.resize(alpha, size, interpolation=cv2.INTER_CUBIC), 0, 1).astype(np.float32)
        larger[alpha == 0] = 0
    return Subject(larger, alpha, subject.backdrop), detail | {"upscaler_factor": factor}, ""


def _cropped(subject: Subject) -> tuple[Pixels, Plane | None]:
    """Without the rows and columns in which nothing is seen."""
    if subject.alpha is None:
        return subject.pixels, None
    visible = subject.alpha > 0
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return subject.pixels[box], subject.alpha[box]


def _drawn_out(pixels: Pixels, alpha: Plane) -> Pixels:
    """The colours continued beyond the outline: a network would draw an edge to the black that is there."""
    light, result = to_light(pixels), pixels.copy()
    empty = alpha < 0.02
    for share in (_RIM, _RIM / 4):  # coarse first: the nearer a pixel is, the nearer its colours come from
        side = 2 * max(2, round(share * max(alpha.shape))) + 1
        total = cv2.blur(alpha, (side, side))
        filled = to_pixels(
            np.asarray(cv2.blur(light * alpha[..., None], (side, side)) / np.maximum(total, 1e-4)[..., None])
        )
        near = empty & (total > 1e-3)
        result[near] = filled[near]
    return result
