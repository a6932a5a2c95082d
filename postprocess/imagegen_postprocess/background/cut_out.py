"""Choose how a product is cut out: by an alpha already there, by the plain backdrop, or by a network."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from imagegen_postprocess.background.decontaminate import clean_colours
from imagegen_postprocess.background.models import BUNDLED, Models, require_allowed
from imagegen_postprocess.background.network import coverage, expected_overlap
from imagegen_postprocess.background.plain import PLAIN_ENOUGH, SMALLEST_PRODUCT, cut_out_plain
from imagegen_postprocess.background.refine import refine
from imagegen_postprocess.report import Detail, StepNote
from imagegen_postprocess.subject import Mask, Plane, Subject

SURE = 0.9  # confidence of the plain segmenter from which nobody else is asked
REVIEW = 0.5  # confidence below which a person should look
AGREED = 0.8  # overlap of the two answers from which they mean the same product
# Expected overlap of the network -> confidence: the share of 200 held-out composites of about such an overlap
# that came out at IoU 0.9 or better.
_OVERLAPS, _CONFIDENCES = (0.8, 0.85, 0.9, 0.93, 0.95, 0.97), (0.02, 0.1, 0.35, 0.75, 0.93, 0.98)


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
    return _drawn(subject, coverage(subject.pixels, models.threads))


def _auto(subject: Subject, models: Models, keep_shadow: bool) -> tuple[Subject, StepNote]:
    """The plain segmenter where it is sure; otherwise the network is asked too, and the surer one is taken.

    On a border that is hardly plain the segmenter is left out: GrabCut takes longer than the network there.
    """
    plain, note = cut_out_plain(subject, keep_shadow=keep_shadow, least_plainness=PLAIN_ENOUGH)
    outlined = plain.alpha is not None and note.detail.get("mode") == "outline"
    if outlined and float(note.detail["confidence"]) >= SURE:  # type: ignore[arg-type]
        return plain, note
    answer = coverage(subject.pixels, models.threads)
    if plain.alpha is not None and outlined and _overlap(plain.alpha, answer) >= AGREED:
        # Two who do not know of each other say the same: the one that draws finer edges is taken.
        agreed = max(float(note.detail["confidence"]), _confidence(answer))  # type: ignore[arg-type]
        return plain, replace(note, detail=note.detail | {"confidence": round(agreed, 3)})
    cut, other = _drawn(subject, answer)
    if cut.alpha is None:
        plain, note = cut_out_plain(subject, keep_shadow=keep_shadow)
        if plain.alpha is not None:
            return plain, note
    if outlined and float(note.detail["confidence"]) > float(other.detail["confidence"]):  # type: ignore[arg-type]
        return plain, note
    return replace(cut, backdrop=plain.backdrop), other


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


def _confidence(answer: Plane) -> float:
    return float(np.interp(expected_overlap(answer), _OVERLAPS, _CONFIDENCES))


def _overlap(alpha: Plane, answer: Plane) -> float:
    """Intersection over union of two answers, at the size of the second."""
    height, width = answer.shape
    small = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_AREA)
    one: Mask = np.asarray(small) > 0.5
    other: Mask = answer > 0.5
    return float((one & other).sum()) / max(1.0, float((one | other).sum()))


def _with_review(note: StepNote) -> StepNote:
    """A doubtful cut-out, or none, is never passed on without a word."""
    review = not note.applied or float(note.detail.get("confidence", 0.0)) < REVIEW  # type: ignore[arg-type]
    sentence = note.note
    if review and note.applied and not sentence:
        sentence = "the cut-out is doubtful: look at it before it is used"
    return replace(note, detail=note.detail | {"review": review}, note=sentence)
