"""imagegen presets: the marketplaces that pictures can be finished and checked for, and their limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from imagegen.cli.json_line import Json, print_json

if TYPE_CHECKING:
    from imagegen_postprocess import Preset


def presets(
    name: Annotated[str | None, typer.Argument(help="One preset, to see every limit and its source.")] = None,
    json: Json = False,
) -> None:
    """Show the marketplaces that a picture can be finished and checked for."""
    from imagegen.errors import InvalidRequest
    from imagegen_postprocess import FinishingError, load_preset, preset_names

    try:
        chosen = [load_preset(each) for each in (preset_names() if name is None else [name])]
    except FinishingError as error:
        raise InvalidRequest(error.message, field=error.field, hint=error.hint) from error
    if json:
        print_json({"presets": [{"name": preset.name, **preset.to_dict()} for preset in chosen]})
    elif name is None:
        _print_all(chosen)
    else:
        _print_one(chosen[0])


def _print_all(presets: list[Preset]) -> None:
    from imagegen.cli.table import print_table

    rows = []
    for preset in presets:
        limit = "" if preset.max_bytes is None else f"{preset.max_bytes / 2**20:g} MiB"
        rows.append(
            [
                preset.name,
                f"{preset.width}x{preset.height}",
                f"{preset.fill:.0%}",
                preset.background,
                f"{preset.format}, {limit} at most" if limit else preset.format,
                preset.title,
            ]
        )
    print_table(["preset", "pixels", "fill", "background", "file", "marketplace"], rows)


def _print_one(preset: Preset) -> None:
    from imagegen.cli.table import print_table
    from imagegen_postprocess.marketplaces.preset import CONFIDENCE

    typer.echo(f"{preset.title}, as its sources said on {preset.checked}")
    typer.echo(
        f"finished as {preset.width}x{preset.height} {preset.format} on {preset.background}, "
        f"fill {preset.fill:.0%}, named NAME{preset.suffix}"
    )
    rows = [
        [limit.measure, limit.text, limit.level, limit.confidence, limit.note or ", ".join(limit.sources[:1])]
        for limit in preset.limits
    ]
    print_table(["measure", "limit", "level", "confidence", "note or source"], rows)
    typer.echo("confidence: " + "; ".join(f"{letter}, {meaning}" for letter, meaning in CONFIDENCE.items()))
    for source in dict.fromkeys(source for limit in preset.limits for source in limit.sources):
        typer.echo(f"source: {source}")
