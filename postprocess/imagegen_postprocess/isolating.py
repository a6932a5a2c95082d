"""`isolate(picture)`: the product alone, at the picture's own size, and how sure one may be of it."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from imagegen_postprocess.background.cut_out import cut_out
from imagegen_postprocess.background.models import Models
from imagegen_postprocess.errors import ProductNotFound
from imagegen_postprocess.finishing import Finished
from imagegen_postprocess.intake import WORKING_PIXELS, take_in
from imagegen_postprocess.report import Journal
from imagegen_postprocess.subject import Subject


def isolate(
    picture: Image.Image, method: str = "auto", *, keep_shadow: bool = False, models: Models | None = None
) -> Finished:
    """Cut a product out and change nothing else: RGBA, upright, as large as the picture.

    method, models: see `cut_out`; keep_shadow: see Recipe. The report's step "cutout" has `method`,
    `confidence` and `review`. A picture with an alpha channel of its own keeps it. Colours are sRGB and,
    where alpha is below 1, the product's own; black where it is 0. Raises ProductNotFound where there is
    nothing to cut out, PictureInvalid, and what `cut_out` raises.
    """
    journal = Journal()
    subject = journal.run("intake", take_in, picture, reduce=False)
    cut = journal.run("cutout", cut_out, _reduced(subject), method, models, keep_shadow=keep_shadow)
    report = journal.report()
    if cut.alpha is None:
        raise ProductNotFound(
            report["cutout"].note or "nothing was cut out",
            field="picture",
            hint="Try another model, or a photo in which the product stands out",
        )
    return Finished(_joined(subject, cut), report)


def _reduced(subject: Subject) -> Subject:
    """At most 16 megapixels, so that memory stays bounded."""
    excess = (subject.width * subject.height / WORKING_PIXELS) ** 0.5
    if excess <= 1 or subject.alpha is not None:
        return subject
    size = max(1, round(subject.width / excess)), max(1, round(subject.height / excess))
    return Subject(np.asarray(cv2.resize(subject.pixels, size, interpolation=cv2.INTER_AREA), np.uint8))


def _joined(subject: Subject, cut: Subject) -> Image.Image:
    """RGBA at the subject's size. Of a larger picture the solid pixels are its own, the edge is enlarged."""
    assert cut.alpha is not None
    alpha, colours = np.rint(cut.alpha * 255).astype(np.uint8), cut.pixels
    size = (subject.width, subject.height)
    if alpha.shape != (subject.height, subject.width):
        alpha = np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        colours = np.array(cv2.resize(colours, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        np.copyto(colours, subject.pixels, where=(alpha == 255)[..., None])
        colours[alpha == 0] = 0
    return Image.fromarray(np.dstack([colours, alpha]), "RGBA")
