"""imagegen finish: photos in, finished product pictures out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imagegen.cli.finishing import Background, BrandColour, RecipeName, Shadow, Size, Upscaler, recipe
from imagegen.cli.json_line import Json, print_json

if TYPE_CHECKING:
    from PIL.Image import Image

    from imagegen.artifact import Artifact
    from imagegen_postprocess import CheckReport, Recipe

REPORTS = "reports"
"""The folder beside finished pictures that holds each one's recipe and report."""


def finish(
    files: Annotated[list[Path], typer.Argument(help="Photos of products.")],
    out: Annotated[Path, typer.Option(help="Folder for the finished pictures, made when missing.")],
    preset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Finish for a marketplace: a name from `imagegen presets`. Given several times, each gets a "
            "folder of its own.",
        ),
    ] = None,
    recipe_name: RecipeName = None,
    background: Background = None,
    size: Size = None,
    brand_colour: BrandColour = None,
    shadow: Shadow = None,
    upscaler: Upscaler = None,
    json: Json = False,
) -> None:
    """Finish photos: cut out, balance colours, centre on a clean canvas. PNG, or what the preset asks for.

    A photo that cannot be used does not stop the others; exit code 11 says that there was one. With a preset
    every finished file is checked against it; exit code 1 says that one broke a rule.
    """
    from imagegen.batch.file_names import FileNames
    from imagegen.cli.check import BROKEN
    from imagegen.cli.checking import check_file, print_check
    from imagegen.cli.destination import require_writable
    from imagegen.cli.failure import as_json, as_text
    from imagegen.cli.progress import bar
    from imagegen.errors import BatchIncomplete, ImagegenError
    from imagegen.request import parse_size
    from imagegen.settings import load_settings
    from imagegen.studio import Studio

    canvas = parse_size(size) if size is not None else None
    if brand_colour is not None and not brand_colour.startswith("#"):
        brand_colour = _colour_of(Path(brand_colour))
    presets: list[str | None] = [*dict.fromkeys(preset or [])] or [None]
    recipes = [
        recipe(background, canvas, each, recipe_name, brand_colour, shadow, upscaler) for each in presets
    ]
    folders = [out / (each.preset or "") if len(recipes) > 1 else out for each in recipes]
    for folder in folders:
        require_writable(folder / "picture.png")
    names = [FileNames() for _ in recipes]
    made: list[dict[str, Any]] = []
    checks: dict[Path, CheckReport] = {}
    failures: list[tuple[Path, ImagegenError]] = []
    with bar("Finishing") as progress, Studio(load_settings()) as studio:
        for done, file in enumerate(files, start=1):
            try:
                for artifact, folder, taken in zip(
                    studio.finish_each(open_photo(file), recipes), folders, names, strict=True
                ):
                    chosen = artifact.recipe
                    assert chosen is not None
                    target = artifact.save(folder / taken.take(*_name(file.stem, chosen)))
                    _save_report(artifact, file, target)
                    check = {}
                    if chosen.preset is not None:
                        checks[target] = check_file(target, chosen.preset)
                        check = {"check": checks[target].to_dict()}
                    made.append({"source": str(file), "file": str(target), **artifact.to_dict(), **check})
            except ImagegenError as error:
                failures.append((file, error))
            progress.show("Finishing", done, len(files))
    if failures and len(files) == 1:
        raise failures[0][1]
    broken = not all(report.passed for report in checks.values())
    incomplete = BatchIncomplete(f"{len(failures)} of {len(files)} photos could not be finished")
    if json:
        result: dict[str, Any] = {"pictures": made}
        if failures:
            result["failed"] = [{"source": str(file), "error": as_json(error)} for file, error in failures]
            result["error"] = as_json(incomplete)
        print_json(result)
        raise typer.Exit(incomplete.exit_code if failures else BROKEN if broken else 0)
    for picture in made:
        typer.echo(f"{picture['source']} -> {picture['file']}")
    for target, report in checks.items():
        print_check(target, report, everything=False)
    for _, failure in failures:
        typer.echo(as_text(failure), err=True)
    if failures:
        raise incomplete
    if broken:
        raise typer.Exit(BROKEN)


def _save_report(artifact: Artifact, source: Path, target: Path) -> None:
    """Writes what was done to a picture where `--recipe` can read it again."""
    from imagegen.store.files import write_atomically
    from imagegen_postprocess import to_document

    assert artifact.recipe is not None
    report = {
        "source": source.name,
        "file": target.name,
        **artifact.to_dict(),
        "recipe": to_document(artifact.recipe),
    }
    path = target.parent / REPORTS / f"{target.name}.json"
    write_atomically(path, (json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode())


def _name(stem: str, recipe: Recipe) -> tuple[str, str]:
    """Stem and suffix of the finished picture of a photo called `stem`."""
    from imagegen_postprocess import load_preset

    if recipe.preset is None:
        return stem, ".png"
    preset = load_preset(recipe.preset)
    return preset.file_name(stem, preset.format_for(recipe.background))


def _colour_of(file: Path) -> str:
    """The main colour of the product in a photo."""
    from imagegen_postprocess.background.cut_out import cut_out
    from imagegen_postprocess.colour.brand_colour import dominant_colour
    from imagegen_postprocess.intake import take_in

    subject, _ = take_in(open_photo(file))
    return dominant_colour(cut_out(subject, "plain")[0])


def open_photo(file: Path) -> Image:
    """Raises InputFileInvalid naming the file."""
    from imagegen.errors import InputFileInvalid
    from imagegen_postprocess import FinishingError, open_picture

    try:
        return open_picture(file)
    except FinishingError as error:
        raise InputFileInvalid(error.message, field=str(file), hint=error.hint) from error
