"""imagegen cutout: photos in, the products alone out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imagegen.cli.json_line import Json, print_json

if TYPE_CHECKING:
    from imagegen.settings import Settings


def cutout(
    files: Annotated[list[Path] | None, typer.Argument(help="Photos of products.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the cut-outs, made when missing.")] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="auto, plain, bundled, or one of --list-models.")
    ] = "auto",
    keep_shadow: Annotated[
        bool, typer.Option("--keep-shadow", help="Keep a soft shadow on a plain background.")
    ] = False,
    list_models: Annotated[
        bool, typer.Option("--list-models", help="Show the models with their licences, and stop.")
    ] = False,
    json: Json = False,
) -> None:
    """Cut products out: NAME.png, transparent, as large as the photo. Works offline, nothing is downloaded.

    Doubtful cut-outs are written and named for review. A photo that cannot be used, or that shows no product,
    does not stop the others; exit code 11 says that there was one.
    """
    from imagegen.batch.file_names import FileNames
    from imagegen.cli.destination import require_writable
    from imagegen.cli.failure import as_json, as_text
    from imagegen.cli.finish import open_photo
    from imagegen.cli.progress import bar
    from imagegen.errors import (
        BatchIncomplete,
        ImagegenError,
        InputFileInvalid,
        InvalidRequest,
        MissingDependency,
    )
    from imagegen.settings import load_settings
    from imagegen.studio import Studio

    settings = load_settings()
    if list_models:
        _list(settings, json)
        return
    if not files:
        raise InvalidRequest("no photo is named", field="files", hint="imagegen cutout FILES... --out DIR")
    if out is None:
        raise InvalidRequest("no folder is named", field="out", hint="give --out DIR")
    require_writable(out / "picture.png")
    names = FileNames()
    made: list[dict[str, Any]] = []
    failures: list[tuple[Path, ImagegenError]] = []
    with bar("Cutting out") as progress, Studio(settings) as studio:
        for done, file in enumerate(files, start=1):
            try:
                try:
                    artifact = studio.cut_out(open_photo(file), model, keep_shadow=keep_shadow)
                except InputFileInvalid as error:
                    raise InputFileInvalid(error.message, field=str(file), hint=error.hint) from error
                target = artifact.save(out / names.take(file.stem, ".png"))
            except (InvalidRequest, MissingDependency):
                raise  # what was asked for fits no photo
            except ImagegenError as error:
                failures.append((file, error))
            else:
                assert artifact.report is not None
                detail = artifact.report["cutout"].detail
                made.append(
                    {
                        "source": str(file),
                        "file": str(target),
                        "method": detail["method"],
                        "confidence": detail.get("confidence"),
                        "review": detail.get("review", False),
                        "note": artifact.report["cutout"].note,
                        **artifact.to_dict(),
                    }
                )
            progress.show("Cutting out", done, len(files))
    if failures and len(files) == 1:
        raise failures[0][1]
    incomplete = BatchIncomplete(f"{len(failures)} of {len(files)} photos could not be cut out")
    review = [picture["file"] for picture in made if picture["review"]]
    if json:
        result: dict[str, Any] = {"pictures": made, "review": review}
        if failures:
            result["failed"] = [{"source": str(file), "error": as_json(error)} for file, error in failures]
            result["error"] = as_json(incomplete)
        print_json(result)
        raise typer.Exit(incomplete.exit_code if failures else 0)
    for picture in made:
        typer.echo(f"{picture['source']} -> {picture['file']} ({_how(picture)})")
    for _, failure in failures:
        typer.echo(as_text(failure), err=True)
    if failures:
        raise incomplete


def _how(picture: dict[str, Any]) -> str:
    sure = "" if picture["confidence"] is None else f", confidence {picture['confidence']:.2f}"
    look = f"; REVIEW: {picture['note']}" if picture["review"] else ""
    return f"{picture['method']}{sure}{look}"


def _list(settings: Settings, json: bool) -> None:
    from imagegen.cli.machine import cut_out_models
    from imagegen.cli.table import print_table

    models = cut_out_models(settings)
    if json:
        print_json({"models": models})
        return
    rows = [
        [
            model["name"],
            "yes" if model["present"] else "no",
            "yes" if model["allowed"] else "no",
            model["licence"],
        ]
        for model in models
    ]
    print_table(["model", "on this machine", "allowed", "licence"], rows)
