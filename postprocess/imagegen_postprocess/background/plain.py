"""Cut a product out of a plain backdrop: no model, no download.

The backdrop's colour is fitted to the border; what is certainly backdrop, what is shadow and what is strongly
different is told apart on a reduced picture, GrabCut decides the rest, and the soft alpha is drawn at full
size.

A doubtful outline (a white shoe on white) is not guessed: only what is certainly backdrop is taken away, and
the report says so. It does not know what products look like.
"""

from __future__ import annotations

import numpy as np

from imagegen_postprocess.background.matte import pull_matte
from imagegen_postprocess.background.regions import Regions, divide, everything_but
from imagegen_postprocess.background.sheet import Sheet, look_behind
from imagegen_postprocess.report import Detail, StepNote
from imagegen_postprocess.subject import Subject

TOUCHING = 0.05
DOUBTFUL = 0.5
PLAIN_ENOUGH = 0.75  # below it a doubtful outline is more likely a room than a white shoe
# Share of the outline that is really seen. Below 0.85 products came out eaten (white on white, black on
# black).
UNSUPPORTED, SUPPORTED = 0.75, 0.95
# Share of the cautious product that the outline encloses: a white shoe drawn by a few lines is mostly hollow.
HOLLOW, SOLID = 0.3, 0.7
SMALLEST_PRODUCT = 0.0005


def cut_out_plain(
    subject: Subject, *, keep_shadow: bool = True, sheet: Sheet | None = None
) -> tuple[Subject, StepNote]:
    """Give a subject its alpha, clean product colours and the backdrop's colour, or say why not.

    The note's confidence, 0..1, joins how plain the border is, how much of the outline is seen and how much
    it encloses; below 0.5 the cautious division is delivered and the note says so. keep_shadow: a soft shadow
    becomes translucent black; otherwise it goes with the backdrop. sheet: of this picture, where the caller
    has looked already.
    """
    sheet = sheet or look_behind(subject.pixels)
    detail: Detail = {"method": "plain", "confidence": 0.0}
    detail |= sheet.measures()
    if not sheet.plainness:
        return subject, StepNote(False, detail, "the border is not plain; the picture is kept whole")
    regions = divide(sheet.lab, sheet.backdrop, sheet.distance, sheet.dimming, sheet.tolerance)
    if regions.product.mean() < SMALLEST_PRODUCT:
        note = "no product stands out from the backdrop; the picture is kept whole"
        return Subject(subject.pixels, None, sheet.colour), StepNote(False, detail, note)
    cautious = everything_but(sheet.distance, sheet.tolerance)
    solidity = min(1.0, float((~regions.outside).sum()) / max(1.0, float(cautious.product.sum())))
    confidence = sheet.plainness * _clarity(regions.support, solidity)
    detail |= {
        "confidence": round(confidence, 3),
        "plainness": round(sheet.plainness, 3),
        "support": round(regions.support, 3),
        "solidity": round(solidity, 3),
    }
    if confidence < DOUBTFUL and sheet.plainness < PLAIN_ENOUGH:
        return subject, StepNote(
            False, detail, "the border is hardly plain and no outline clear; the picture is kept whole"
        )
    detail["mode"] = "outline"
    note = "the product touches the border" if sheet.backdrop.touched > TOUCHING else ""
    if confidence < DOUBTFUL:
        regions = cautious
        detail["mode"] = "certain backdrop only"
        note = "doubtful outline: only what is certainly backdrop was removed; look at the result"
    detail |= {"product_share": round(float(regions.product.mean()), 4), "holes": regions.holes}
    return drawn_on(sheet, subject, regions, keep_shadow=keep_shadow), StepNote(True, detail, note)


def drawn_on(sheet: Sheet, subject: Subject, regions: Regions, *, keep_shadow: bool) -> Subject:
    """The subject with the alpha and the colours that follow from a division of its reduced picture."""
    behind = sheet.light(subject.width, subject.height)
    pixels, alpha = pull_matte(subject.pixels, behind, regions, sheet.linear_noise(), keep_shadow=keep_shadow)
    return Subject(pixels, alpha, sheet.colour)


def _clarity(support: float, solidity: float) -> float:
    """0..1: how much of the outline is seen, and how much of the cautious product it encloses."""
    seen = float(np.clip((support - UNSUPPORTED) / (SUPPORTED - UNSUPPORTED), 0, 1))
    return seen * float(np.clip((solidity - HOLLOW) / (SOLID - HOLLOW), 0, 1))
