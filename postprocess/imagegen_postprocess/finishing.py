"""`finish(picture, recipe)`: the steps, in order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from imagegen_postprocess.background.cut_out import cut_out
from imagegen_postprocess.canvas.place import place
from imagegen_postprocess.colour.exposure import expose
from imagegen_postprocess.colour.white_balance import balance_white
from imagegen_postprocess.intake import take_in
from imagegen_postprocess.recipe import Recipe
from imagegen_postprocess.report import FinishReport, Journal


@dataclass(frozen=True)
class Finished:
    """picture: sRGB, RGB or (on a transparent background) RGBA, no metadata. report: what each step did."""

    picture: Image.Image
    report: FinishReport


def finish(picture: Image.Image, recipe: Recipe, *, models_dir: Path | None = None) -> Finished:
    """Take a picture in, cut the product out, balance the white, set the exposure, place it on its canvas.

    picture: any Pillow mode, 16 px to 100 megapixels; it is not modified. models_dir: a folder that is
    searched for `<cutout>.onnx` before rembg's own folders. A step that declines says so in its report
    (`applied` False and a note); what no step could honour raises FinishingError. The same picture and recipe
    give the same pixels on the same machine.
    """
    journal = Journal()
    subject = journal.run("intake", take_in, picture)
    subject = journal.run("cutout", cut_out, subject, recipe.cutout, models_dir)
    subject = journal.run("white_balance", balance_white, subject, recipe.white_balance)
    subject = journal.run("exposure", expose, subject, recipe.exposure)
    result = journal.run("canvas", place, subject, recipe)
    return Finished(result, journal.report())
