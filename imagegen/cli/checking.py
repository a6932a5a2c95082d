"""Holding files against a preset, and showing what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from imagegen.cli.table import print_table

if TYPE_CHECKING:
    from imagegen_postprocess import CheckReport
    from imagegen_postprocess.marketplaces.checker import Status

_STYLES = {"fail": "red", "warn": "yellow", "unknown": "dim", "pass": ""}


def check_file(file: Path, preset: str) -> CheckReport:
    """The file held against the preset. Raises InvalidRequest naming the preset, InputFileInvalid naming the
    file."""
    from imagegen.errors import InputFileInvalid, InvalidRequest
    from imagegen_postprocess import FinishingError, check, load_preset

    try:
        chosen = load_preset(preset)
    except FinishingError as error:
        raise InvalidRequest(error.message, field=error.field, hint=error.hint) from error
    try:
        return check(read_bytes(file), chosen, file.name)
    except FinishingError as error:
        raise InputFileInvalid(error.message, field=str(file), hint=error.hint) from error


def read_bytes(file: Path) -> bytes:
    """The file's content. Raises InputFileInvalid naming it."""
    from imagegen.errors import InputFileInvalid

    try:
        return file.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputFileInvalid(f"cannot be read: {reason}", field=str(file)) from error


def print_check(file: Path, report: CheckReport, *, everything: bool = True) -> None:
    """A table of the findings, the gravest first; without `everything` only those that ask for something."""
    facts = report.facts
    quality = "" if facts.jpeg_quality is None else f", quality {facts.jpeg_quality}"
    typer.echo(
        f"{file}: {report.verdict.upper()} for {report.preset.name} "
        f"({facts.width}x{facts.height} {facts.format}{quality}, {facts.bytes:,} bytes)"
    )
    statuses: tuple[Status, ...] = ("fail", "warn", "unknown", "pass") if everything else ("fail", "warn")
    findings = [finding for status in statuses for finding in report.having(status)]
    if not findings:
        return
    rows = [
        [
            finding.status,
            finding.limit.measure,
            finding.shown,
            finding.limit.text,
            f"{finding.limit.level}, {finding.limit.confidence}",
            "; ".join(filter(None, (finding.note, finding.limit.note, finding.fix))),
        ]
        for finding in findings
    ]
    columns = ["", "measure", "value", "limit", "level, confidence", "what to know and to do"]
    print_table(columns, rows, [_STYLES[finding.status] for finding in findings])
