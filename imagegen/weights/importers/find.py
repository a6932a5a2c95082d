"""What a folder or file holds, told by its content: which components, in which layout.

A folder has a component in each folder with a config.json, whatever its name; a file is a transformer in
BFL's names, as safetensors or GGUF. Pickles are refused, but for the two that gemlite and HQQ write
(torch_file.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagegen.errors import CheckpointInvalid
from imagegen.weights import preview_file
from imagegen.weights.families import FAMILIES
from imagegen.weights.importers.gguf_file import MAGIC, GgufFile
from imagegen.weights.importers.names import (
    TEXT_ENCODER,
    TRANSFORMER,
    Naming,
    bfl,
    bfl_config,
    whole_or_parts,
)
from imagegen.weights.importers.packs import Packs
from imagegen.weights.importers.stored import TensorSource
from imagegen.weights.importers.torch_file import TorchFile
from imagegen.weights.locate import COPY_AGAIN, TensorFiles, read_json, safetensors_file

TORCH_PACKS = ("state_dict.pt", "qmodel.pt")
_PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}
_KLEIN_INDEX = {"_class_name": "Flux2KleinPipeline", "is_distilled": True}
_BONSAI_SCHEDULER = {
    "_class_name": "FlowMatchEulerDiscreteScheduler",
    "shift": 3.0,
    "use_dynamic_shifting": False,
}


@dataclass(frozen=True)
class Component:
    """One network: its config.json, its stored tensors, and which of them make up ours."""

    config: dict[str, Any]
    tensors: TensorSource
    naming: Naming
    field: str
    """where an error of its config points"""


@dataclass(frozen=True)
class Found:
    """What a source holds; None for what it lacks."""

    layout: str
    transformer: Component | None
    text_encoder: Component | None
    vae: Component | None
    tokenizer: Path | None
    scheduler: dict[str, Any] | None
    index: dict[str, Any]
    own: dict[str, Any]
    """the content of imagegen.json, if there is one"""
    licence: str | None
    preview_decoder: Path | None
    """which no source must have"""
    files: tuple[Path, ...]
    """all that were read, to tell whether the source has changed"""

    def missing(self) -> list[str]:
        names = ("transformer", "text_encoder", "vae", "tokenizer", "scheduler")
        return [name for name in names if getattr(self, name) is None]


def find(source: Path) -> Found:
    """Raises CheckpointInvalid naming the file that is missing, damaged, a pickle, or of no known layout."""
    if source.is_dir():
        return _folder(source)
    if source.is_file():
        return _file(source)
    raise CheckpointInvalid("is no file or folder", field=str(source))


def _file(path: Path) -> Found:
    with path.open("rb") as file:
        start = file.read(9)
    tensors: TensorSource
    if not start:
        raise CheckpointInvalid("is empty", field=str(path), hint=COPY_AGAIN)
    if start[:4] == MAGIC:
        tensors, layout = GgufFile(path), "gguf"
    elif start[:2] in (b"PK", b"\x80\x02", b"\x80\x04"):
        raise _pickle(path)
    else:
        tensors, layout = Packs(safetensors_file(path)), "bfl"
    naming = bfl(tensors)
    if naming is None:
        raise CheckpointInvalid(
            "holds no FLUX.2 transformer in BFL's names",
            field=str(path),
            hint="give the folder of a model in diffusers layout",
        )
    try:
        config = bfl_config({name: tensors.shape(name) for name in tensors}, naming.prefix)
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointInvalid(f"lacks the tensor {error}", field=str(path), hint=COPY_AGAIN) from error
    transformer = Component(config, tensors, naming, str(path))
    return Found(layout, transformer, None, None, None, None, dict(_KLEIN_INDEX), {}, None, None, (path,))


def _folder(folder: Path) -> Found:
    index_file, own_file = folder / "model_index.json", folder / "imagegen.json"
    preview_decoder = folder / preview_file.FILE
    index = read_json(index_file) if index_file.is_file() else dict(_KLEIN_INDEX)
    family = FAMILIES.get(str(index.get("_class_name")))
    if family is not None and family.by_diffusers:
        raise CheckpointInvalid(
            f"is a {index['_class_name']}, which runs as it is",
            field=str(folder),
            hint="copy the folder to the models folder (IMAGEGEN_MODELS_DIR)",
        )
    components: dict[str, Component] = {}
    layouts = set()
    for config_file in sorted(folder.glob("*/config.json")):
        config = read_json(config_file)
        kind = _kind(config)
        if kind is None:
            continue
        if kind in components:
            raise CheckpointInvalid(
                f"holds a second {kind.replace('_', ' ')} beside {components[kind].field}",
                field=str(config_file.parent),
                hint="give a folder that holds one model",
            )
        quantization = config.get("quantization_config")
        if isinstance(quantization, dict) and quantization.get("quant_method") == "imagegen":
            raise CheckpointInvalid(
                "is a packed model of imagegen already",
                field=str(config_file),
                hint="copy its folder to the models folder, or start from the dense model",
            )
        tensors, layout = _component_files(config_file.parent, config)
        naming = TEXT_ENCODER if kind == "text_encoder" else TRANSFORMER
        components[kind] = Component(config, tensors, whole_or_parts(naming, tensors), str(config_file))
        layouts.add(layout)
    if not components:
        raise CheckpointInvalid(
            "holds no component with a config.json",
            field=str(folder),
            hint="expected transformer/, text_encoder/, vae/, tokenizer/ and scheduler/, or one file",
        )
    schedulers = sorted(folder.glob("*/scheduler_config.json"))
    layout = next(iter(layouts - {"diffusers"}), "diffusers")
    scheduler = read_json(schedulers[0]) if schedulers else None
    if scheduler is None and layout in ("gemlite", "mlx"):
        scheduler = dict(_BONSAI_SCHEDULER)  # the vendor's packs may come without one; its model card says so
    return Found(
        layout=layout,
        transformer=components.get("transformer"),
        text_encoder=components.get("text_encoder"),
        vae=components.get("vae"),
        tokenizer=_tokenizer(folder),
        scheduler=scheduler,
        index=index,
        own=read_json(own_file) if own_file.is_file() else {},
        licence=_licence(folder),
        preview_decoder=preview_decoder if preview_decoder.is_file() else None,
        files=tuple(
            sorted(path for path in folder.rglob("*") if path.is_file() and not _hidden(path, folder))
        ),
    )


def _kind(config: dict[str, Any]) -> str | None:
    class_name = str(config.get("_class_name", ""))
    if class_name == "Flux2Transformer2DModel" or {"num_single_layers", "joint_attention_dim"} <= set(config):
        return "transformer"
    if class_name.startswith("AutoencoderKL"):
        return "vae"
    return "text_encoder" if str(config.get("model_type", "")).startswith("qwen") else None


def _component_files(folder: Path, config: dict[str, Any]) -> tuple[TensorSource, str]:
    for name in TORCH_PACKS:
        if (folder / name).is_file() and not list(folder.glob("*.safetensors*")):
            return Packs(TorchFile(folder / name)), "gemlite"
    pickles = sorted(path for path in folder.iterdir() if path.suffix in _PICKLES)
    if pickles and not list(folder.glob("*.safetensors*")):
        raise _pickle(pickles[0])
    quantization = config.get("quantization")
    own = folder / "quantization_config.json"
    if quantization is None and own.is_file():
        quantization = read_json(own)
    packs = Packs(TensorFiles(folder), quantization if isinstance(quantization, dict) else None)
    return packs, packs.tool or "diffusers"


def _pickle(path: Path) -> CheckpointInvalid:
    return CheckpointInvalid(
        "is a pickle, which may run code: it was not opened",
        field=str(path),
        hint="take a copy in safetensors or GGUF",
    )


def _hidden(path: Path, folder: Path) -> bool:
    """What a downloader notes beside the files changes from run to run and is no part of the source."""
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _tokenizer(folder: Path) -> Path | None:
    """The folder with tokenizer.json; one of its own before one inside the text encoder."""
    found = [*sorted(folder.glob("*/tokenizer.json")), *sorted(folder.glob("*/*/tokenizer.json"))]
    found.sort(key=lambda path: path.parent.name != "tokenizer")
    return found[0].parent if found else None


def _licence(folder: Path) -> str | None:
    """What the model card's front matter says."""
    card = folder / "README.md"
    if not card.is_file():
        return None
    text = card.read_text(encoding="utf-8", errors="replace")
    matter = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
    line = re.search(r"^license:\s*(\S+)", matter[1], re.MULTILINE) if matter else None
    return line[1] if line else None
