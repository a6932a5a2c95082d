"""Choose how a product is cut out: by an alpha already there, by the plain backdrop, or by a named model."""

from __future__ import annotations

from pathlib import Path

from imagegen_postprocess.report import StepNote
from imagegen_postprocess.subject import Subject


def cut_out(subject: Subject, method: str, models_dir: Path | None = None) -> tuple[Subject, StepNote]:
    """method: "plain", "none" or the name of a rembg model. See the modules beside this one for their
    reports.

    A picture that arrives with an alpha channel is a cut-out already and is left as it is.
    """
    if method == "none":
        return subject, StepNote(False, {"method": "none"})
    if subject.alpha is not None:
        return subject, StepNote(
            False, {"method": "alpha"}, "the picture is a cut-out already; its alpha is kept"
        )
    if method == "plain":
        from imagegen_postprocess.background.plain import cut_out_plain

        return cut_out_plain(subject)
    from imagegen_postprocess.background.rembg import cut_out_by_model

    return cut_out_by_model(subject, method, models_dir)
