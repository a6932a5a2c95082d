"""What a dense model loses by `imagegen models quantize`: the error of each layer, and its pictures beside
those of the dense one, same seeds.

    PYTHONPATH=. .venv/bin/python -m benchmarks.bench_quantize --state build/training/flow.pt

The dense model is the bundled one's teacher as its training left it (training/README.md): its transformer was
begun at ternary weights and never rounded again, its autoencoder and text encoder are the bundled ones,
unpacked. It makes pictures in eight guided steps here. Every variant is imported as a user would, linears of
the text encoder in int8 throughout.
`int4 nearest` leaves the search for a range out (formats/quantizers.py). Errors are |made - dense| / |dense|,
over all layers; pictures are compared by PSNR and by CIEDE2000. Nothing here depends on how busy the machine
is but `import_s`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

from benchmarks.machine import describe_machine, write_results
from imagegen.pipeline.side_by_side import psnr_db
from imagegen.pipeline.text_to_image import TextToImage
from imagegen.weights.catalog import BUNDLED, ModelCard, read_card
from imagegen.weights.importers.importing import Options, import_model
from imagegen.weights.load import load_components

STEPS, GUIDANCE = 8, 4.0
PROMPTS = (
    "navy blue running shoe with white sole",
    "brown leather handbag",
    "silver men's watch with black dial",
    "red heels",
    "green backpack",
    "sunglasses",
    "bolsa vermelha feminina",
    "zapatos marrones de hombre",
)
SEEDS = (1, 2)
VARIANTS: dict[str, Options] = {
    "int8": Options("int8", "int8"),
    "int4 nearest": Options("int4", "int8"),
    "int4": Options("int4", "int8"),
    "int4, low rank 16": Options("int4", "int8", low_rank=16),
    "int4, low rank 32": Options("int4", "int8", low_rank=32),
    "ternary": Options("ternary", "int8"),
}
SHOWN = ("int8", "int4", "int4, low rank 32", "ternary")
"""Rows of the sheet below the dense model's."""

Pictures = list[NDArray[np.uint8]]


def write_dense(state: Path, folder: Path) -> ModelCard:
    """The bundled checkpoint with everything unpacked, and the transformer of a training state's average."""
    from training.start import read_component
    from training.state import load_state

    found = load_state(state)
    if found is None:
        raise FileNotFoundError(state)
    shutil.copytree(BUNDLED, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    for component in ("transformer", "text_encoder", "vae"):
        tensors = read_component(BUNDLED / component)
        if component == "transformer":
            prefix = f"{component}."
            tensors = {name: found["average"][prefix + name].float() for name in tensors}
        (stored,) = (BUNDLED / component).glob("*.safetensors")
        save_file({name: t.contiguous() for name, t in tensors.items()}, folder / component / stored.name)
        config = json.loads((folder / component / "config.json").read_text())
        config.pop("quantization_config", None)
        (folder / component / "config.json").write_text(json.dumps(config))
    own = json.loads((folder / "imagegen.json").read_text())
    own["defaults"] |= {"steps": STEPS, "guidance": GUIDANCE}
    own.pop("weights_sha256")
    (folder / "imagegen.json").write_text(json.dumps(own | {"name": "teacher"}))
    return read_card(folder)


def pictures(card: ModelCard) -> Pictures:
    pipeline = TextToImage(load_components(card, "cpu"))
    return [
        pipeline.generate([prompt], [seed], card.width, card.height, card.steps).pictures[0].picture
        for prompt in PROMPTS
        for seed in SEEDS
    ]


def compared(made: Pictures, dense: Pictures) -> dict[str, float]:
    from imagegen_postprocess.colour.difference import ciede2000
    from imagegen_postprocess.colour.linear import to_lab

    psnr = [psnr_db(one, two) for one, two in zip(made, dense, strict=True)]
    colours = [float(ciede2000(to_lab(a), to_lab(b)).mean()) for a, b in zip(made, dense, strict=True)]
    return {
        "psnr_db_median": round(float(np.median(psnr)), 2),
        "psnr_db_worst": round(min(psnr), 2),
        "ciede2000_mean": round(float(np.mean(colours)), 2),
    }


def layers(notes: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Of the transformer's linears."""
    errors = [note["error"] for name, note in notes.items() if name.startswith("transformer.")]
    return {
        "mean_error": round(float(np.mean(errors)), 5),
        "worst_error": round(max(errors), 5),
        "mean_snr_db": round(float(-20 * np.log10(errors).mean()), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--state", type=Path, required=True, help="flow.pt of a training run")
    parser.add_argument("--sheet", type=Path, help="a picture to write: one seed by each model, row by row")
    options = parser.parse_args()
    results: dict[str, Any] = {
        "benchmark": "quantize",
        "machine": describe_machine(),
        "steps": STEPS,
        "guidance": GUIDANCE,
        "pictures": len(PROMPTS) * len(SEEDS),
        "variants": {},
    }
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as scratch:
        models = Path(scratch)
        card = write_dense(options.state, models / "teacher")
        dense = pictures(card)
        rows = [dense[:: len(SEEDS)]]
        results["dense"] = {"transformer_bytes": _bytes(card)}
        for name, choices in VARIANTS.items():
            shrinks = "imagegen_kernels.formats.quantizers.INT4_SHRINKS"
            with patch(shrinks, ()) if name == "int4 nearest" else patch.dict({}):
                imported = import_model(card.path, name.replace(", ", "-").replace(" ", "-"), models, choices)
            made = pictures(imported.card)
            found = {
                "transformer_bytes": _bytes(imported.card),
                "import_s": round(imported.seconds, 1),
                **layers(imported.layers),
                **compared(made, dense),
            }
            results["variants"][name] = found
            print(name, json.dumps(found), flush=True)
            if name in SHOWN:
                rows.append(made[:: len(SEEDS)])
    if options.sheet:
        sheet = Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in rows]))
        sheet.reduce(2).save(options.sheet, quality=88)
    print(write_results("quantize", "cpu", results))


def _bytes(card: ModelCard) -> int:
    return sum(path.stat().st_size for path in (card.path / "transformer").glob("*.safetensors"))


if __name__ == "__main__":
    main()
