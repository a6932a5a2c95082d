"""Choose how a product is cut out: by an alpha already there, by the plain backdrop, or by a network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imagegen_postprocess.background.closeup import closer, window_around
from imagegen_postprocess.background.decontaminate import clean_colours
from imagegen_postprocess.background.models import BUNDLED, Models, require_allowed
from imagegen_postprocess.background.network import coverage, coverage_on_sheet, expected_overlap
from imagegen_postprocess.background.people import may_hold_people
from imagegen_postprocess.background.plain import (
    SMALLEST_PRODUCT,
    TOUCHING,
    cut_out_plain,
    drawn_on,
)
from imagegen_postprocess.background.refine import refine
from imagegen_postprocess.background.seconded import scenery, second, with_certain_patches
from imagegen_postprocess.background.sheet import Sheet, look_behind
from imagegen_postprocess.errors import DependencyMissing
from imagegen_postprocess.report import Detail, StepNote
from imagegen_postprocess.subject import Plane, Subject

PLAIN_ENOUGH = (
    0.65  # of a border, for the sheet to have a say beside the network; 0.75 was worse by 0.005 IoU
)
SCENERY = (
    0.2  # of the product: other things before the sheet, from which the sheet is not all that is behind it
)
REVIEW = 0.5  # confidence below which a person should look
# Of the first network, from which it is believed where the second doubts. Of 21 such pictures made for
# choosing it was sure of 2, whose overlap rose from 0.29 and 0.64 to 0.98 and 0.99.
SURE = 0.9
TAUGHT_NOISE = 1.5  # Delta E of the sheet: the second network was taught on smoother ones, on none of wood
# Expected overlap of the network -> confidence: the share of 200 held-out composites of about such an overlap
# that came out at IoU 0.9 or better.
PEOPLE = 0.25  # confidence where people may be in the picture: 5 of 20 such photos came out at IoU 0.9
_OVERLAPS, _CONFIDENCES = (0.8, 0.85, 0.9, 0.93, 0.95, 0.97), (0.02, 0.1, 0.35, 0.75, 0.93, 0.98)
# The same of the network before sheets, which doubts more seldom: the share of 197 pictures made for choosing
# (training/cutout/validation.py) that came out at IoU 0.95 or better.
_SHEET_OVERLAPS, _SHEET_CONFIDENCES = (0.9, 0.94, 0.957, 0.965, 0.98), (0.02, 0.3, 0.5, 0.85, 0.98)


def cut_out(
    subject: Subject, method: str, models: Models | None = None, *, keep_shadow: bool = True
) -> tuple[Subject, StepNote]:
    """method: "auto", "plain", "bundled", "none" or the name of a rembg model.

    The note's detail has `method` (what was used), `confidence` (0..1) and `review` (True: a person should
    look before the result is used). keep_shadow: a soft shadow on a plain backdrop stays, as translucent
    black; networks never keep one. A picture that arrives with an alpha channel is a cut-out already and is
    left as it is.
    """
    models = models or Models()
    if method == "none":
        return subject, StepNote(False, {"method": "none"})
    if subject.alpha is not None:
        return subject, StepNote(
            False, {"method": "alpha"}, "the picture is a cut-out already; its alpha is kept"
        )
    if method == "auto":
        cut, note = _auto(subject, models, keep_shadow)
    elif method == "plain":
        cut, note = cut_out_plain(subject, keep_shadow=keep_shadow)
    elif method == BUNDLED:
        cut, note = cut_out_by_network(subject, models)
    else:
        from imagegen_postprocess.background.rembg import cut_out_by_model

        require_allowed(method, models)
        cut, note = cut_out_by_model(subject, method, models.folder)
    return cut, _with_review(note)


def cut_out_by_network(subject: Subject, models: Models) -> tuple[Subject, StepNote]:
    """The bundled network's cut-out, its edges drawn at full size and its colours freed of the background."""
    answer = coverage(subject.pixels, models.threads)
    return _with_people(subject, answer, *_drawn(subject, answer))


def _auto(subject: Subject, models: Models, keep_shadow: bool) -> tuple[Subject, StepNote]:
    """Before a plain border the sheet and the network together; before any other the network alone.

    Without onnxruntime the plain segmenter answers where it is sure.
    """
    sheet = look_behind(subject.pixels)
    try:
        answer = coverage(subject.pixels, models.threads)
    except DependencyMissing:
        plain, note = cut_out_plain(subject, keep_shadow=keep_shadow, sheet=sheet)
        if note.detail.get("mode") == "outline" and float(note.detail["confidence"]) >= REVIEW:  # type: ignore[arg-type]
            return plain, note
        raise
    if sheet.plainness >= PLAIN_ENOUGH and (answer > 0.5).mean() >= SMALLEST_PRODUCT:
        seconded = _seconded(subject, sheet, answer, models, keep_shadow)
        if seconded is not None:
            return seconded
    cut, other = _drawn(subject, answer)
    if cut.alpha is None:
        plain, note = cut_out_plain(subject, keep_shadow=keep_shadow, sheet=sheet)
        if plain.alpha is not None:
            return plain, note
    return _with_people(subject, answer, cut, other)


def _seconded(
    subject: Subject, sheet: Sheet, answer: Plane, models: Models, keep_shadow: bool
) -> tuple[Subject, StepNote] | None:
    """Sheet and network together, looking closer where there is room; None where there is scenery."""
    if scenery(sheet, answer) > SCENERY:
        return None
    window = window_around(sheet, answer, subject.width, subject.height)
    part = subject
    if window is not None:
        part, sheet = Subject(window.cut(subject.pixels)), closer(sheet, subject.pixels, window)
        answer = window.seen(answer, subject.width, subject.height)
    confidence, contested = _confidence(answer), False
    if sheet.backdrop.noise <= TAUGHT_NOISE:
        near = with_certain_patches(coverage_on_sheet(part.pixels, sheet, models.threads), answer, sheet)
        told = _confidence(near, _SHEET_OVERLAPS, _SHEET_CONFIDENCES)
        contested = told < REVIEW and confidence >= SURE
        if contested:
            confidence = (confidence + told) / 2
        else:
            answer, confidence = near, told
    both = second(sheet, answer)
    if both.refused > SCENERY:
        return None
    drawn = drawn_on(sheet, part, both.regions, keep_shadow=keep_shadow)
    size = float(both.regions.product.mean())
    if window is not None:
        drawn = window.laid(drawn, subject.width, subject.height)
        size *= part.width * part.height / (subject.width * subject.height)
    detail: Detail = {"method": "plain", "confidence": round(confidence, 3)}
    detail |= sheet.measures()
    detail |= {
        "plainness": round(sheet.plainness, 3),
        "mode": "outline",
        "seconded": BUNDLED,
        "closer": window is not None,
        "contested": contested,
        "refused": round(both.refused, 3),
        "support": round(both.regions.support, 3),
        "product_share": round(size, 4),
        "holes": both.regions.holes,
    }
    note = "the product touches the border" if sheet.backdrop.touched > TOUCHING else ""
    return drawn, StepNote(True, detail, note)


def _drawn(subject: Subject, answer: Plane) -> tuple[Subject, StepNote]:
    share = float((answer > 0.5).mean())
    detail: Detail = {
        "method": BUNDLED,
        "confidence": round(_confidence(answer), 3),
        "product_share": round(share, 4),
    }
    alpha = refine(subject.pixels, answer)
    # Specks that the picture shows no edge for leave nothing behind at full size.
    if min(share, float((alpha > 0.5).mean())) < SMALLEST_PRODUCT:
        detail["confidence"] = 0.0
        return subject, StepNote(False, detail, "the network found no product; the picture is kept whole")
    return Subject(clean_colours(subject.pixels, alpha), alpha), StepNote(True, detail)


def _confidence(
    answer: Plane,
    overlaps: tuple[float, ...] = _OVERLAPS,
    confidences: tuple[float, ...] = _CONFIDENCES,
) -> float:
    return float(np.interp(expected_overlap(answer), overlaps, confidences))


def _with_people(subject: Subject, answer: Plane, cut: Subject, note: StepNote) -> tuple[Subject, StepNote]:
    """Lower the confidence where people may be in the picture, and say so.

    Not before a plain sheet: there its colour finds them whole, and a brass buckle passes for skin.
    """
    if not note.applied or not may_hold_people(subject.pixels, answer):
        return cut, note
    confidence = min(PEOPLE, float(note.detail["confidence"]))  # type: ignore[arg-type]
    sentence = "people may be in the picture, whom the network does not know: look at it before it is used"
    return cut, replace(note, detail=note.detail | {"confidence": confidence, "people": True}, note=sentence)


def _with_review(note: StepNote) -> StepNote:
    """A doubtful cut-out, or none, is never passed on without a word."""
    review = not note.applied or float(note.detail.get("confidence", 0.0)) < REVIEW  # type: ignore[arg-type]
    sentence = note.note
    if review and note.applied and not sentence:
        sentence = "the cut-out is doubtful: look at it before it is used"
    return replace(note, detail=note.detail | {"review": review}, note=sentence)
