"""--json: one line on standard output, and nothing else there."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one machine-readable line.")]


def print_json(value: dict[str, Any]) -> None:
    """ASCII only, so that no terminal encoding can break it."""
    typer.echo(json.dumps(value))
