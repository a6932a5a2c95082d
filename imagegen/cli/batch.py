"""imagegen batch: a CSV of products in; pictures, a manifest and a gallery page out."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated

import typer

from imagegen.cli.finishing import Preset, recipe
from imagegen.cli.json_line import Json, print_json

if TYPE_CHECKING:
    from imagegen.batch.outcome import Outcome
    from imagegen.batch.run import BatchReport

SHOWN = 50  # rows of the table at the end; the manifest has all


def batch(
    csv: Annotated[
        Path, typer.Argument(metavar="CSV", help="Products: columns id and description at least.")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder for pictures, manifest.csv and gallery.html, made when missing.")
    ],
    limit: Annotated[int | None, typer.Option(help="Only the first rows.", show_default="all")] = None,
    preset: Preset = None,
    json: Json = False,
) -> None:
    """Make a picture for each product of a CSV file.

    A row that cannot be made does not stop the others. Started again with the same file and folder, it makes
    only what is not there yet.
    """
    from concurrent.futures import ThreadPoolExecutor
    from threading import Event

    from imagegen.batch.run import run_batch
    from imagegen.cli.failure import as_json
    from imagegen.cli.progress import bar
    from imagegen.errors import BatchIncomplete
    from imagegen.settings import load_settings
    from imagegen.studio import Studio

    chosen = recipe(preset=preset)
    total = 0
    shown: list[Outcome] = []
    with bar("Loading") as progress, Studio(load_settings()) as studio:

        def on_start(rows: int) -> None:
            nonlocal total
            total = rows

        def on_outcome(outcome: Outcome) -> None:
            progress.show("Generating", outcome.row, total)
            if len(shown) < SHOWN:
                shown.append(outcome)

        # In a thread of its own, because Ctrl-C is raised in the main one: in the middle of a transaction it
        # would leave the jobs database locked, and the batch could not even cancel its jobs.
        with ThreadPoolExecutor(1, thread_name_prefix="imagegen-batch") as worker:
            stop = Event()
            running = worker.submit(
                run_batch,
                csv,
                out,
                studio,
                limit=limit,
                recipe=chosen,
                stop=stop,
                on_start=on_start,
                on_outcome=on_outcome,
            )
            try:
                report = running.result()
            except KeyboardInterrupt:
                stop.set()
                studio.close()
                report = running.result()  # raises Cancelled, unless the last row was done already
    incomplete = BatchIncomplete(
        f"{report.failed:,} of {report.total:,} rows failed",
        field=str(report.manifest),
        hint="its error column says why; mend the rows and start again: the finished ones are kept",
    )
    if json:
        print_json(_summary(report) | ({"error": as_json(incomplete)} if report.failed else {}))
        raise typer.Exit(incomplete.exit_code if report.failed else 0)
    _print_table(report, shown, out)
    if report.failed:
        raise incomplete


def _summary(report: BatchReport) -> dict[str, object]:
    return {
        "total": report.total,
        "completed": report.completed,
        "failed": report.failed,
        "seconds": round(report.seconds, 3),
        "manifest": str(report.manifest),
        "gallery": str(report.gallery),
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
        file = Text(str(out / outcome.file)) if outcome.file else Text(outcome.error or "", style="red")
        table.add_row(Text(shorten(outcome.description or outcome.id, 36, placeholder=" …")), seconds, file)
    # A file or pipe has no width to fit into, and file names should stay whole there.
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    if report.total > len(shown):
        typer.echo(f"and {report.total - len(shown):,} more")
    typer.echo(f"{report.completed:,} pictures in {report.seconds:.1f} s")
    typer.echo(f"manifest: {report.manifest}\ngallery:  {report.gallery}")
