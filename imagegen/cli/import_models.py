"""imagegen models import, pull and quantize: how a model comes in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imagegen.cli.json_line import Json, print_json

if TYPE_CHECKING:
    from imagegen.weights.importers.importing import Imported, Options

Format = Annotated[
    str, typer.Option(help="Of the transformer: keep (without loss), ternary, binary, int4 or int8.")
]
TextEncoderFormat = Annotated[str, typer.Option(help="Of the text encoder: keep, int4 or int8.")]
GroupSize = Annotated[
    int | None, typer.Option(help="Columns that share a scale; none is 128, int4 64, int8 the row.")
]
LowRank = Annotated[
    int,
    typer.Option(min=0, max=512, help="Rank of a 16-bit correction beside each int4 weight; 0 is none."),
]
FloatActivations = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="Layers (as 'transformer.*.linear_out') whose activations stay as they are; repeatable.",
    ),
]
Licence = Annotated[str | None, typer.Option(help="What to write down as the licence.")]
RestFrom = Annotated[
    Path | None, typer.Option(help="A folder that has what the source lacks, as text encoder and VAE.")
]
PreviewDecoder = Annotated[
    Path | None,
    typer.Option(
        help="taef2's decoder (safetensors): draws pictures on their way, in place of the source's."
    ),
]
NewName = Annotated[str, typer.Option("--name", help="What the model will be called.")]


def import_(
    source: Annotated[
        Path, typer.Argument(help="A folder in diffusers, gemlite or MLX layout, or a file of BFL's or GGUF.")
    ],
    name: NewName,
    format: Format = "keep",
    text_encoder: TextEncoderFormat = "keep",
    group_size: GroupSize = None,
    rest_from: RestFrom = None,
    preview_decoder: PreviewDecoder = None,
    licence: Licence = None,
    json: Json = False,
) -> None:
    """Bring in a checkpoint that is on this machine. Interrupted, it goes on when it is run again."""
    from imagegen.cli.progress import transfer_bar
    from imagegen.settings import load_settings
    from imagegen.weights.importers.importing import import_model

    options = _options(format, text_encoder, group_size, licence)
    with transfer_bar(f"importing {name}") as bar:
        imported = import_model(
            source, name, load_settings().models_dir, options, rest_from, bar.show, preview_decoder
        )
    _report(imported, json)


def pull(
    repo: Annotated[str, typer.Argument(help="OWNER/NAME on the Hugging Face hub.")],
    name: NewName,
    revision: Annotated[str, typer.Option(help="Commit, tag or branch; the commit is kept.")] = "main",
    file: Annotated[str | None, typer.Option(help="One file of it, where it has several.")] = None,
    rest_from: RestFrom = None,
    format: Format = "keep",
    text_encoder: TextEncoderFormat = "keep",
    group_size: GroupSize = None,
    preview_decoder: PreviewDecoder = None,
    licence: Licence = None,
    keep_download: Annotated[bool, typer.Option(help="Leave the downloaded files where they are.")] = False,
    json: Json = False,
) -> None:
    """Download a checkpoint and bring it in: the one command that uses the network.

    Interrupted, it goes on when it is run again. Every file is compared with the hub's hash of it.
    """
    from imagegen.cli.progress import transfer_bar
    from imagegen.settings import load_settings
    from imagegen.weights.importers.importing import import_model, new_folder
    from imagegen.weights.pull import downloaded, forget

    options = _options(format, text_encoder, group_size, licence)
    models_dir = load_settings().models_dir
    new_folder(models_dir, name)  # to say after 20 GB that the name is taken would be late
    with transfer_bar(f"downloading {repo}") as bar:
        download = downloaded(repo, revision, models_dir, bar.show, file=file)
        options = download.described(options)
        source = download.folder / file if file else download.folder
        imported = import_model(source, name, models_dir, options, rest_from, bar.show, preview_decoder)
    if not keep_download:
        forget(download)
    _report(imported, json)


def quantize(
    model: Annotated[str, typer.Argument(help="A dense model: its name or folder.")],
    name: NewName,
    format: Format = "int8",
    text_encoder: TextEncoderFormat = "int8",
    group_size: GroupSize = None,
    low_rank: LowRank = 0,
    float_activations: FloatActivations = None,
    sheet: Annotated[
        Path | None, typer.Option(help="A PNG to write: pictures of the model above the new one's.")
    ] = None,
    prompt: Annotated[str, typer.Option(help="What to show on the sheet.")] = "a red ceramic mug",
    json: Json = False,
) -> None:
    """Make a smaller model of a dense one, and say what each layer lost."""
    from dataclasses import replace

    from imagegen.cli.progress import transfer_bar
    from imagegen.settings import load_settings
    from imagegen.weights.catalog import find_model
    from imagegen.weights.importers.importing import import_model

    if format in ("ternary", "binary"):
        typer.echo(
            f"warning: a model that was not trained to be {format} makes no pictures once it is;"
            " this is for models that are retrained afterwards",
            err=True,
        )
    models_dir = load_settings().models_dir
    card = find_model(model, models_dir)
    options = _options(format, text_encoder, group_size, card.licence, low_rank)
    options = replace(options, float_activations=tuple(float_activations or ()))
    with transfer_bar(f"quantising {card.name}") as bar:
        imported = import_model(card.path, name, models_dir, options, None, bar.show)
    pictures = None
    if sheet is not None:
        from imagegen.pipeline.side_by_side import write_sheet

        pictures = write_sheet(card, imported.card, prompt, sheet)
    if not json:
        from imagegen.cli.table import print_table

        columns = ("layer", "format", "relative error", "SNR", *(("without low rank",) if low_rank else ()))
        print_table(columns, [_row(layer, note) for layer, note in imported.layers.items()])
    _report(imported, json, pictures)


def _row(layer: str, note: dict[str, Any]) -> tuple[str, ...]:
    row = (layer, note["format"], f"{note['error']:.2%}", f"{snr_db(note['error']):.1f} dB")
    without = note.get("error_without_low_rank")
    return row if without is None else (*row, f"{without:.2%}")


def snr_db(error: float) -> float:
    """Signal to noise of a weight with that relative error, in decibels."""
    from math import inf, log10

    return -20 * log10(error) if error else inf


def _report(imported: Imported, json: bool, pictures: list[dict[str, Any]] | None = None) -> None:
    from dataclasses import asdict

    card = imported.card
    if json:
        layers = {
            layer: note | ({"snr_db": round(snr_db(note["error"]), 2)} if note["error"] else {})
            for layer, note in imported.layers.items()
        }
        facts = {"layout": imported.layout, "seconds": imported.seconds, "layers": layers}
        print_json({**asdict(card), "path": str(card.path), **facts, "pictures": pictures})
        return
    for picture in pictures or ():
        typer.echo(f"seed {picture['seed']}: PSNR {picture['psnr_db']} dB between the two pictures")
    formats = sorted({note["format"] for note in imported.layers.values()})
    typer.echo(
        f"{card.name}: {card.disk_bytes / 1e6:,.1f} MB in {imported.seconds:.0f} s, from {imported.layout},"
        f" {len(imported.layers)} linears packed{' as ' + ', '.join(formats) if formats else ''}"
    )


def _options(
    format: str, text_encoder: str, group_size: int | None, licence: str | None, low_rank: int = 0
) -> Options:
    from imagegen.errors import InvalidRequest
    from imagegen.weights.importers.convert import FORMATS
    from imagegen.weights.importers.importing import Options

    for field, value in (("--format", format), ("--text-encoder", text_encoder)):
        if value not in FORMATS:
            raise InvalidRequest(f"{value!r} is no format", field=field, hint=f"one of {', '.join(FORMATS)}")
    if low_rank and "int4" not in (format, text_encoder):
        raise InvalidRequest("corrects int4 only", field="--low-rank", hint="take --format int4")
    return Options(format, text_encoder, group_size, low_rank, licence)  # type: ignore[arg-type]
