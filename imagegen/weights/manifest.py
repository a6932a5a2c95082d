"""imagegen.json: what a model is, and the size and hash of each of its files.

name, architecture, format_version, licence, source, defaults, sizes   what catalog.py reads
imported        where it came from, in which layout, and the error of each layer that was quantised
components      of transformer, text_encoder and vae: bytes, weights, and bytes and weights by format
weights_sha256  of every file but this one (verify.py)
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from imagegen.store.files import write_atomically
from imagegen.weights.catalog import FORMAT_VERSION
from imagegen.weights.locate import TensorFiles, read_json

COMPONENTS = ("transformer", "text_encoder", "vae")


def write_manifest(folder: Path, description: dict[str, Any]) -> None:
    """Read every file of the model in `folder` and write its imagegen.json: `description` and what was
    found.

    Raises CheckpointInvalid for a file that cannot be read again.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / "imagegen.json")
    content = {
        "architecture": "flux2-klein",
        "format_version": FORMAT_VERSION,
        **description,
        "components": {name: component_facts(folder / name) for name in COMPONENTS},
        "weights_sha256": {path.relative_to(folder).as_posix(): sha256(path) for path in files},
    }
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_atomically(folder / "imagegen.json", text.encode())


def component_folders(folder: Path) -> list[Path]:
    """The networks of a model in diffusers layout: folders with a config.json and tensors."""
    return sorted(
        config.parent for config in folder.glob("*/config.json") if any(config.parent.glob("*.safetensors"))
    )


def component_facts(folder: Path) -> dict[str, Any]:
    """Bytes and weights of a component by format, from the headers of its files: dense dtypes and the
    formats of config.json."""
    files = TensorFiles(folder)
    quantization = read_json(folder / "config.json").get("quantization_config") or {}
    layers = quantization.get("layers", {})
    formats: dict[str, dict[str, int]] = {}
    for name in files:
        shape, dtype, nbytes = files.describe(name)
        module, _, leaf = name.rpartition(".weight.")
        kind = dtype
        weights = 1
        for side in shape:
            weights *= side
        if module:
            own = layers.get(module, quantization)
            kind = str(own.get("format", dtype))
            weights = 0
            if leaf == "scales":
                group = own.get("group_size")
                weights = shape[0] * shape[1] * (group if isinstance(group, int) else _columns(files, module))
        facts = formats.setdefault(kind, {"weights": 0, "bytes": 0})
        facts["weights"] += weights
        facts["bytes"] += nbytes
    return {
        "bytes": sum(facts["bytes"] for facts in formats.values()),
        "weights": sum(facts["weights"] for facts in formats.values()),
        "formats": formats,
    }


def _columns(files: TensorFiles, module: str) -> int:
    """Of a packed weight with one scale a row: int8, a byte a weight."""
    shape, _, _ = files.describe(f"{module}.weight.packed")
    return shape[1]


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
