"""imagegen audit: who did what, and whether the log was touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from imagegen.cli.json_line import Json, print_json
from imagegen.cli.table import print_table

if TYPE_CHECKING:
    from imagegen.audit.log import AuditLog

audit = typer.Typer(help="The server's log of who did what.", no_args_is_help=True)


@audit.command("show")
def show(
    last: Annotated[int, typer.Option(min=1, max=100_000, help="How many entries, the latest.")] = 50,
    json: Json = False,
) -> None:
    """Show the latest entries, oldest first."""
    from dataclasses import asdict
    from json import dumps

    with _log() as log:
        entries = log.latest(last)
    if json:
        print_json({"entries": [asdict(entry) for entry in entries]})
        return
    rows = [
        [
            str(entry.seq),
            datetime.fromtimestamp(entry.time / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S"),
            entry.actor,
            entry.action,
            entry.outcome,
            dumps(entry.details) if entry.details else "",
        ]
        for entry in entries
    ]
    print_table(["entry", "time (UTC)", "who", "what", "outcome", "details"], rows)


@audit.command("verify")
def verify(
    head: Annotated[
        str | None, typer.Option(help="A hash noted at an earlier verification, which must be in the log.")
    ] = None,
    json: Json = False,
) -> None:
    """Follow the chain of hashes from the first entry to the last; exit code 18 when it is broken."""
    with _log() as log:
        verified = log.verify(head)
    if json:
        print_json({"entries": verified.entries, "head": verified.head})
        return
    typer.echo(f"{verified.entries} entries, unbroken")
    typer.echo(f"head {verified.head}")


@contextmanager
def _log() -> Iterator[AuditLog]:
    from imagegen.audit.log import AuditLog
    from imagegen.settings import load_settings

    log = AuditLog(load_settings())
    try:
        yield log
    finally:
        log.close()
