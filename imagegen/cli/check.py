"""imagegen check: finished files held against a marketplace's limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imagegen.cli.json_line import Json, print_json

if TYPE_CHECKING:
    from imagegen_postprocess import CheckReport

BROKEN = 1
"""Exit code of a check that found a required limit broken, as linters have it."""


def check(
    files: Annotated[list[Path], typer.Argument(help="Picture files.")],
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="The marketplace: a name from `imagegen presets`.")
    ],
    json: Json = False,
) -> None:
    """Check pictures against a marketplace's rules: every limit with its value, source and what to do.

    Exit code 0 when no required limit is broken, 1 when one is, 11 when a file could not be read.
    """
    from imagegen.cli.checking import check_file, print_check
    from imagegen.cli.failure import as_json, as_text
    from imagegen.errors import BatchIncomplete, ImagegenError, InvalidRequest

    reports: list[tuple[Path, CheckReport]] = []
    failures: list[tuple[Path, ImagegenError]] = []
    for file in files:
        try:
            reports.append((file, check_file(file, preset)))
        except InvalidRequest:
            raise
        except ImagegenError as error:
            failures.append((file, error))
    if failures and len(files) == 1:
        raise failures[0][1]
    incomplete = BatchIncomplete(f"{len(failures)} of {len(files)} files could not be checked")
    passed = all(report.passed for _, report in reports)
    code = incomplete.exit_code if failures else 0 if passed else BROKEN
    if json:
        result: dict[str, Any] = {
            "verdict": "pass" if passed and not failures else "fail",
            "files": [{"source": str(file), **report.to_dict()} for file, report in reports],
        }
        if failures:
            result["failed"] = [{"source": str(file), "error": as_json(error)} for file, error in failures]
            result["error"] = as_json(incomplete)
        print_json(result)
        raise typer.Exit(code)
    for file, report in reports:
        print_check(file, report)
    for _, failure in failures:
        typer.echo(as_text(failure), err=True)
    if failures:
        raise incomplete
    raise typer.Exit(code)
