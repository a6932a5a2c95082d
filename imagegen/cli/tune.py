"""imagegen tune: how this machine's GPU wants its work cut, measured once and kept."""

from __future__ import annotations

import typer

from imagegen.cli.json_line import Json, print_json


def tune(json: Json = False) -> None:
    """Measure in which sizes our kernels should cut their work on this GPU: minutes, once for a version."""
    from dataclasses import asdict
    from json import dumps

    import torch

    from imagegen.cli.progress import bar
    from imagegen.errors import InvalidRequest
    from imagegen.settings import load_settings
    from imagegen.store.files import write_atomically
    from imagegen_kernels import card, tuning

    settings = load_settings()
    card.choose(settings.kernels)
    card.keep_tiles_in(settings.tiles_dir)
    reason = card.refusal()
    if reason is not None:
        raise InvalidRequest(
            f"there is nothing to tune: {reason}", hint="`imagegen doctor` says what there is"
        )
    index = torch.cuda.current_device()
    with torch.inference_mode(), bar(f"tuning for {card.card_name(index)}") as shown:
        found = tuning.tune(tuning.calls(torch.device("cuda", index)), tuning.seconds, shown.show)
    file = card.measured_file(settings.tiles_dir, index)
    table = {
        "origin": f"measured on {torch.cuda.get_device_name(index)}",
        "tiles": {product: asdict(tuned.tile) for product, tuned in found.items()},
    }
    write_atomically(file, dumps(table, indent=2).encode())
    if json:
        print_json({"file": str(file), **{product: asdict(tuned) for product, tuned in found.items()}})
        return
    from imagegen.cli.table import print_table

    rows = [
        (
            product,
            f"{tuned.tile.tokens} x {tuned.tile.rows}, {tuned.tile.warps} warps, {tuned.tile.stages} stages",
            f"{tuned.seconds * 1e3:.3f} ms",
            f"{tuned.seconds_before / tuned.seconds:.2f}",
            str(tuned.refused),
        )
        for product, tuned in found.items()
    ]
    print_table(("product", "tokens x rows", "a 4B linear", "times as fast as before", "refused"), rows)
    typer.echo(f"kept in {file}; whatever starts from now on uses it")
