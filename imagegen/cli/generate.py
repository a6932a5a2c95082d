"""imagegen generate: a description in, and photos if there are any, a finished picture out."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from imagegen.cli.finishing import Background, Preset, RecipeName, Size, recipe
from imagegen.cli.json_line import Json, print_json

if TYPE_CHECKING:
    from imagegen.request import Fit
    from imagegen_postprocess import CheckReport


def generate(
    prompt: Annotated[str, typer.Argument(help="What the picture shows.")],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="File to write (.png, .jpg, .webp); an existing one is replaced."
        ),
    ],
    size: Size = None,
    steps: Annotated[
        int | None, typer.Option(help="Denoising steps, 1 to 100.", show_default="the model's own")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The same seed gives the same picture.", show_default="drawn anew")
    ] = None,
    n: Annotated[int, typer.Option("--n", help="Number of pictures: FILE-1.png, FILE-2.png, ...")] = 1,
    model: Annotated[
        str | None, typer.Option(help="Name or folder of a model.", show_default="IMAGEGEN_MODEL, or starter")
    ] = None,
    no_finish: Annotated[
        bool, typer.Option("--no-finish", help="Keep the model's pixels: no cut-out, colour or canvas.")
    ] = False,
    image: Annotated[
        Path | None, typer.Option(metavar="PHOTO", help="Start from this photo; see --strength.")
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(help="How much of the photo may change, 0 to 1.", show_default="0.6, with --image"),
    ] = None,
    fit: Annotated[
        str,
        typer.Option(
            help="How a photo of another shape gets to the model's: pad (its border goes on), crop, stretch"
        ),
    ] = "pad",
    reference: Annotated[
        list[Path] | None,
        typer.Option(metavar="PHOTO", help="A photo to look at; may be repeated. Not every model can."),
    ] = None,
    preset: Preset = None,
    recipe_name: RecipeName = None,
    background: Background = None,
    json: Json = False,
) -> None:
    """Make a product picture from a description, and from photos."""
    started = time.perf_counter()
    from imagegen.cli.check import BROKEN
    from imagegen.cli.checking import check_file, print_check
    from imagegen.cli.destination import destinations
    from imagegen.cli.progress import bar
    from imagegen.errors import InvalidRequest
    from imagegen.photo import Photo
    from imagegen.request import ImageRequest, parse_size
    from imagegen.settings import load_settings
    from imagegen.weights.catalog import find_model

    for option, value in (("background", background), ("preset", preset), ("recipe", recipe_name)):
        if no_finish and value is not None:
            raise InvalidRequest("is part of finishing", field=option, hint="leave out --no-finish")
    canvas = parse_size(size) if size is not None else None
    width, height = canvas or (None, None)
    chosen = None if no_finish else recipe(background, preset=preset, named=recipe_name)
    if chosen is not None and canvas is not None:
        chosen = replace(chosen, width=None, height=None)  # the request's size goes before a preset's
    settings = load_settings(model=model)
    requests = ImageRequest(
        prompt,
        model=settings.model,
        width=width,
        height=height,
        steps=steps,
        seed=seed,
        recipe=chosen,
        image=None if image is None else Photo.of(image),
        strength=strength,
        fit=cast("Fit", fit),
        references=tuple(map(Photo.of, reference or ())),
    ).variants(n)
    card = find_model(settings.model, settings.models_dir)
    files = destinations(output, n, recipe=chosen)

    from imagegen.studio import Studio

    made = []
    checks: dict[Path, CheckReport] = {}
    with bar(f"Loading {card.name}") as progress, Studio(settings) as studio:
        total = n * (steps or card.steps)
        done = itertools.count(1)

        def step(_done: int, _total: int) -> None:
            progress.show("Generating", next(done), total)

        at_once = min(settings.max_batch, settings.queue_size)
        for first in range(0, n, at_once):
            group = slice(first, first + at_once)
            pictures = [studio.submit(request, on_step=step) for request in requests[group]]
            for file, picture in zip(files[group], pictures, strict=True):
                artifact = picture.result()
                artifact.save(file)
                entry = {"file": str(file), **artifact.to_dict()}
                if chosen is not None and chosen.preset is not None:
                    checks[file] = check_file(file, chosen.preset)
                    entry["check"] = checks[file].to_dict()
                made.append(entry)
    seconds = time.perf_counter() - started
    code = 0 if all(report.passed for report in checks.values()) else BROKEN
    if json:
        print_json({"pictures": made, "seconds": round(seconds, 3)})
        raise typer.Exit(code)
    for entry in made:
        typer.echo(f"{entry['file']}  {entry['width']}x{entry['height']}, seed {entry['request']['seed']}")
        for warning in entry["warnings"]:
            typer.echo(f"  note: {warning}", err=True)
    for file, report in checks.items():
        print_check(file, report, everything=False)
    raise typer.Exit(code)
