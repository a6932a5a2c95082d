"""imagegen inspect: what a picture file is, and what it says of how it came to be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imagegen.cli.json_line import Json, print_json

if TYPE_CHECKING:
    from imagegen_postprocess import FileFacts

_ORIGINS = {
    "trainedAlgorithmicMedia": "made by a model",
    "compositeWithTrainedAlgorithmicMedia": "partly made by a model",
    "algorithmicMedia": "made by a program",
    "algorithmicallyEnhanced": "a photo, improved by a program",
    "digitalCapture": "a photo",
}


def inspect(
    file: Annotated[Path, typer.Argument(help="A picture file.")],
    json: Json = False,
) -> None:
    """Show what a picture file is and how it says it was made."""
    from imagegen.cli.checking import read_bytes
    from imagegen.errors import InputFileInvalid
    from imagegen_postprocess import FinishingError, read_facts

    try:
        facts = read_facts(read_bytes(file), file.name)
    except FinishingError as error:
        raise InputFileInvalid(error.message, field=str(file), hint=error.hint) from error
    if json:
        print_json({"source": str(file), **facts.to_dict()})
        return
    for name, value in _lines(facts):
        typer.echo(f"{name:<12} {value}")


def _lines(facts: FileFacts) -> list[tuple[str, str]]:
    quality = "" if facts.jpeg_quality is None else f", quality {facts.jpeg_quality}"
    frames = "" if facts.frames == 1 else f", {facts.frames} frames"
    origin = facts.source_type or "none: the file does not say how it was made"
    if facts.source_type in _ORIGINS:
        origin += f" ({_ORIGINS[facts.source_type]})"
    return [
        ("file", facts.name),
        ("format", f"{facts.format}{quality}{frames}, {facts.bytes:,} bytes"),
        ("pixels", f"{facts.width}x{facts.height}, {facts.mode}"),
        ("colours", facts.colour_space),
        ("source type", origin),
        ("C2PA", "a manifest is there (not verified)" if facts.c2pa else "no manifest"),
        ("EXIF", "yes" if facts.exif else "no"),
        ("GPS", "yes: the file says where it was taken" if facts.gps else "no"),
    ]
