"""imagegen batch: a catalogue in; pictures, a manifest, a gallery page and the shop's own CSV out."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated

import typer

from imagegen.cli.json_line import Json, print_json

if TYPE_CHECKING:
    from imagegen.batch.outcome import Outcome
    from imagegen.batch.plan import BatchOptions
    from imagegen.batch.run import BatchReport

SHOWN = 50  # pictures of the table at the end; the manifest has all
PREVIEW_ROWS = 1000  # of a preview at most: more is a batch, not a look


def batch(
    csv: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A catalogue: of Shopify, WooCommerce, Nuvemshop, Magento, Vendure, a feed, or any CSV.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for pictures, manifest, gallery and shop.csv, made when missing."),
    ] = None,
    preview: Annotated[
        int | None,
        typer.Option(metavar="N", help="Show the first N prompts and make nothing.", show_default=False),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            help='What prompts are made from: "{title}, {color}", fields or columns in braces.',
            show_default="the catalogue's own kind",
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MAP",
            help="Which column holds what: id=SKU,title=Nome. May be repeated.",
            show_default=False,
        ),
    ] = None,
    variants: Annotated[int, typer.Option(metavar="N", help="Pictures of each product, 1 to 100.")] = 1,
    each_color: Annotated[
        bool, typer.Option("--each-color", help="A picture in each colour that a product comes in.")
    ] = False,
    preset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Finish for a marketplace: a name from `imagegen presets`. May be repeated.",
            show_default=False,
        ),
    ] = None,
    image_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="What stands before the file names in shop.csv.", show_default=False
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first products.", show_default="all")] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with a batch that was cut short; refused where there is none to go on with.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Make a picture for each product of a catalogue.

    A row that cannot be made does not stop the others. Started again with the same file and folder, it makes
    only what is not there yet.
    """
    from imagegen.batch.columns import parse_columns
    from imagegen.batch.plan import BatchOptions
    from imagegen.errors import InvalidRequest

    options = BatchOptions(
        columns=parse_columns(columns or ()),
        template=template,
        variants=variants,
        each_color=each_color,
        presets=tuple(preset or ()),
        limit=limit,
        image_url=image_url,
    )
    if preview is not None:
        _preview(csv, options, preview, json=json)
        return
    if out is None:
        raise InvalidRequest("is needed", field="out", hint="give a folder, or look first with --preview 10")
    if resume and not (out / "manifest.csv").is_file():
        raise InvalidRequest(
            "there is no batch to go on with in this folder",
            field=str(out),
            hint="leave out --resume, or check the folder's name",
        )
    _run(csv, out, options, json=json)


def _run(csv: Path, out: Path, options: BatchOptions, *, json: bool) -> None:
    from concurrent.futures import ThreadPoolExecutor
    from threading import Event

    from imagegen.batch.run import run_batch
    from imagegen.cli.failure import as_json
    from imagegen.cli.progress import bar
    from imagegen.errors import BatchIncomplete
    from imagegen.settings import load_settings
    from imagegen.studio import Studio

    total = done = 0
    shown: list[Outcome] = []
    with bar("Loading") as progress, Studio(load_settings()) as studio:

        def on_start(pictures: int) -> None:
            nonlocal total
            total = pictures

        def on_outcome(outcome: Outcome) -> None:
            nonlocal done
            done += 1
            progress.show("Generating", done, total)
            if len(shown) < SHOWN:
                shown.append(outcome)

        # In a thread of its own, because Ctrl-C is raised in the main one: in the middle of a transaction it
        # would leave the jobs database locked, and the batch could not even cancel its jobs.
        with ThreadPoolExecutor(1, thread_name_prefix="imagegen-batch") as worker:
            stop = Event()
            running = worker.submit(
                run_batch, csv, out, studio, options, stop=stop, on_start=on_start, on_outcome=on_outcome
            )
            try:
                report = running.result()
            except KeyboardInterrupt:
                stop.set()
                studio.close()
                report = running.result()  # raises Cancelled, unless the last picture was done already
    incomplete = BatchIncomplete(
        f"{report.failed:,} of {report.total:,} pictures failed",
        field=str(report.manifest),
        hint="its error column says why; mend the rows and start again: the finished ones are kept",
    )
    if json:
        print_json(_summary(report) | ({"error": as_json(incomplete)} if report.failed else {}))
        raise typer.Exit(incomplete.exit_code if report.failed else 0)
    _print_table(report, shown, out)
    if report.failed:
        raise incomplete


def _preview(csv: Path, options: BatchOptions, n: int, *, json: bool) -> None:
    from imagegen.batch.preview import preview
    from imagegen.errors import InvalidRequest
    from imagegen.settings import load_settings

    if not 1 <= n <= PREVIEW_ROWS:
        raise InvalidRequest(f"must be 1 to {PREVIEW_ROWS:,}, not {n}", field="preview")
    seen = preview(csv, options, n, model=load_settings().model)
    if json:
        print_json(seen.to_dict())
        return
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE)
    table.add_column("row", justify="right", no_wrap=True)
    table.add_column("product", overflow="fold", max_width=28)
    table.add_column("prompt", overflow="fold")
    table.add_column("file", overflow="fold", max_width=36)
    for picture in seen.pictures:
        said = Text(picture.prompt)
        for warning in picture.warnings:
            said.append(f"\n{warning}", style="yellow")
        files = Text("\n".join(file.name for file in picture.files))
        if picture.error is not None:
            files = Text(picture.error, style="red")
        table.add_row(str(picture.product.row), Text(picture.product.id), said, files)
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    typer.echo(f"{csv.name}: {seen.dialect}, {seen.total:,} picture{'' if seen.total == 1 else 's'}")
    typer.echo(f"template: {seen.template}")
    for text, count in (("cannot be made", seen.failed), ("have damaged texts", seen.warned)):
        if count:
            typer.echo(f"{count:,} of them {text}", err=True)


def _summary(report: BatchReport) -> dict[str, object]:
    return {
        "total": report.total,
        "completed": report.completed,
        "failed": report.failed,
        "warned": report.warned,
        "seconds": round(report.seconds, 3),
        "manifest": str(report.manifest),
        "gallery": str(report.gallery),
        "shop": None if report.shop is None else str(report.shop),
    }


def _print_table(report: BatchReport, shown: list[Outcome], out: Path) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE)
    table.add_column("product", no_wrap=True)
    table.add_column("seconds", no_wrap=True, justify="right")
    table.add_column("file", overflow="fold")
    for outcome in shown:
        seconds = "" if outcome.seconds is None else f"{outcome.seconds:.2f}"
        files = Text("\n".join(str(out / file.name) for file in outcome.files))
        if outcome.error is not None:
            files = Text(f"row {outcome.row}: {outcome.error}", style="red")
        table.add_row(Text(shorten(outcome.description or outcome.id, 36, placeholder=" …")), seconds, files)
    # A file or pipe has no width to fit into, and file names should stay whole there.
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    if report.total > len(shown):
        typer.echo(f"and {report.total - len(shown):,} more")
    typer.echo(f"{report.completed:,} pictures in {report.seconds:.1f} s")
    if report.warned:
        typer.echo(
            f"{report.warned:,} of texts that were damaged before: see the manifest's warnings", err=True
        )
    typer.echo(f"manifest: {report.manifest}\ngallery:  {report.gallery}")
    if report.shop is not None:
        typer.echo(f"shop:     {report.shop}")
