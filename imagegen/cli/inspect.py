"""imagegen inspect: what a picture file is, and what it says of how it came to be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imagegen.cli.json_line import Json, print_json

if TYPE_CHECKING:
    from imagegen_postprocess import Credentials, Inspection

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
    """Show what a picture file is, how it says it was made, and whether our watermark is in it."""
    from imagegen.cli.checking import read_bytes
    from imagegen.errors import InputFileInvalid
    from imagegen.settings import load_settings
    from imagegen.store.identity import known_certificates
    from imagegen_postprocess import FinishingError, inspect_file

    settings = load_settings()
    try:
        known = known_certificates(settings.data_dir, settings.certificate)
        found = inspect_file(read_bytes(file), file.name, known)
    except FinishingError as error:
        raise InputFileInvalid(error.message, field=str(file), hint=error.hint) from error
    if json:
        print_json({"source": str(file), **found.to_dict()})
        return
    for name, value in _lines(found):
        typer.echo(f"{name:<12} {value}")


def _lines(found: Inspection) -> list[tuple[str, str]]:
    facts, mark = found.facts, found.watermark
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
        ("C2PA", _credentials(found.credentials, there=facts.c2pa)),
        (
            "watermark",
            f"imagegen's (score {mark.score:.1f}, at {mark.scale:.0%})"
            if mark.found
            else f"none found (score {mark.score:.1f})",
        ),
        ("EXIF", "yes" if facts.exif else "no"),
        ("GPS", "yes: the file says where it was taken" if facts.gps else "no"),
    ]


_STATES = {
    "trusted": "intact, signed by a certificate known here",
    "valid": "intact, signed by somebody unknown here",
    "invalid": "NOT VALID",
}


def _credentials(found: Credentials | None, *, there: bool) -> str:
    if found is None:
        return "a manifest that cannot be read" if there else "no manifest"
    made_from = f"made from a file of {', '.join(found.made_from)}" if found.made_from else None
    said = "; ".join(filter(None, (found.signer, found.software, ", ".join(found.source_types), made_from)))
    return ": ".join(filter(None, (_STATES[found.state], said, ", ".join(found.problems))))
