"""`finish(picture, recipe)`: the recipe's steps, in its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from imagegen_postprocess.background.cut_out import cut_out
from imagegen_postprocess.background.models import Models
from imagegen_postprocess.canvas.place import place
from imagegen_postprocess.canvas.sharpen import sharpen
from imagegen_postprocess.colour.brand_colour import match_brand_colour
from imagegen_postprocess.colour.colour_card import calibrate
from imagegen_postprocess.colour.exposure import expose
from imagegen_postprocess.colour.uneven_light import even_light
from imagegen_postprocess.colour.white_balance import balance_white
from imagegen_postprocess.intake import take_in
from imagegen_postprocess.recipe import Recipe
from imagegen_postprocess.report import FinishReport, Journal, StepNote
from imagegen_postprocess.subject import Subject

Stage = tuple[tuple[str, tuple[object, ...]], ...]  # the steps so far and their parameters


@dataclass(frozen=True)
class Finished:
    """picture: sRGB, RGB or (on a transparent background) RGBA, no metadata. report: what each step did."""

    picture: Image.Image
    report: FinishReport


def finish(picture: Image.Image, recipe: Recipe, *, models: Models | None = None) -> Finished:
    """Take a picture in and run the recipe's steps on it: cut-out, colours, canvas.

    picture: any Pillow mode, 16 px to 100 megapixels; it is not modified. models: what the owner says
    about cut-out networks. A step that declines says so in its report
    (`applied` False and a note); what no step could honour raises FinishingError. The same picture and recipe
    give the same pixels on the same machine.
    """
    return finish_each(picture, [recipe], models=models)[0]


def finish_each(
    picture: Image.Image, recipes: Sequence[Recipe], *, models: Models | None = None
) -> list[Finished]:
    """`finish` by several recipes, in their order: one picture for several marketplaces.

    What the recipes begin with in common (for presets: everything up to the canvas) is done once.
    """
    taken: dict[Stage, tuple[Subject, Journal]] = {}
    return [_finish(picture, recipe, models, taken) for recipe in recipes]


def _finish(
    picture: Image.Image,
    recipe: Recipe,
    models: Models | None,
    taken: dict[Stage, tuple[Subject, Journal]],
) -> Finished:
    if () not in taken:
        journal = Journal()
        taken[()] = journal.run("intake", take_in, picture), journal
    stage: Stage = ()
    steps = recipe.active_steps
    canvas = steps.index("canvas")
    for name in steps[:canvas]:
        subject, journal = taken[stage]
        stage = (*stage, (name, tuple(recipe.parameters(name).values())))
        if stage not in taken:
            journal = journal.copy()
            taken[stage] = journal.run(name, _BEFORE[name], subject, recipe, models), journal
    subject, journal = taken[stage]
    journal = journal.copy()
    result = journal.run("canvas", place, subject, recipe, models)
    for name in steps[canvas + 1 :]:
        result = journal.run(name, _AFTER[name], result, recipe)
    return Finished(result, journal.report())


_BEFORE: dict[str, Callable[[Subject, Recipe, Models | None], tuple[Subject, StepNote]]] = {
    "colour_card": lambda subject, recipe, _: calibrate(subject, recipe.colour_card),
    "cutout": lambda subject, recipe, models: cut_out(
        subject, recipe.cutout, models, keep_shadow=recipe.keep_shadow
    ),
    "uneven_light": lambda subject, recipe, _: even_light(subject, recipe.uneven_light),
    "white_balance": lambda subject, recipe, _: balance_white(
        subject, recipe.white_balance, white_backdrop=recipe.white_backdrop
    ),
    "exposure": lambda subject, recipe, _: expose(subject, recipe.exposure),
    "brand_colour": lambda subject, recipe, _: match_brand_colour(subject, recipe.brand_colour or ""),
}
_AFTER: dict[str, Callable[[Image.Image, Recipe], tuple[Image.Image, StepNote]]] = {
    "sharpen": lambda picture, recipe: sharpen(picture, recipe.sharpen),
}
