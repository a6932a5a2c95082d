"""Which models are installed, and what each can make: the bundled starter and every checkpoint folder in
`models_dir`.

A model is a folder in diffusers layout with, optionally, an `imagegen.json` beside `model_index.json`. Reads
only JSON: no tensors, no torch.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagegen.errors import CheckpointInvalid, ModelNotFound
from imagegen.weights.families import DISTILLED, FAMILIES
from imagegen.weights.locate import read_json

log = logging.getLogger(__name__)

BUNDLED = Path(__file__).parents[1] / "starter"
FORMAT_VERSION = 1
REFERENCES, MOST_REFERENCES = 4, 16
"""Photos that FLUX.2 [klein] looks at, by its makers' word (docs.bfl.ai, editing overview), and the most that
any imagegen.json may allow."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model is and what it can be asked for.

    sizes       the (width, height) pairs in pixels that it makes; None: any multiple of `multiple`
    multiple    pixels of picture side per latent token (8 x 2 for FLUX.2, 16 x 2 for the starter)
    text_length tokens a prompt is padded or cut to
    guidance    scale of classifier-free guidance; 1.0 is none
    references  most photos that it looks at while it makes one; 0 for a model that was never taught to
    by_diffusers
                whether diffusers' own pipeline runs it, not ours
    revision    12 hex digits that change with imagegen.json, model_index.json or any file's name or size
    disk_bytes  all files of the folder
    """

    name: str
    path: Path
    architecture: str
    licence: str
    source: str
    steps: int
    width: int
    height: int
    sizes: tuple[tuple[int, int], ...] | None
    multiple: int
    text_length: int
    text_encoder_out_layers: tuple[int, ...]
    guidance: float
    references: int
    by_diffusers: bool
    disk_bytes: int
    revision: str

    def supports(self, width: int, height: int) -> bool:
        """Whether the model makes pictures of this size, in pixels."""
        if self.sizes is not None:
            return (width, height) in self.sizes
        return width > 0 and height > 0 and width % self.multiple == 0 and height % self.multiple == 0


def list_models(models_dir: Path | None = None) -> list[ModelCard]:
    """The bundled starter, then the models in `models_dir` by name. A folder that is no valid model is left
    out with a warning."""
    cards = []
    for folder in _folders(models_dir):
        try:
            cards.append(read_card(folder))
        except CheckpointInvalid as error:
            log.warning("left out the model in %s: %s", folder, error)
    return cards


def find_model(name_or_path: str | Path, models_dir: Path | None = None) -> ModelCard:
    """The model of that name, or in that folder when the name holds a path separator.

    Raises ModelNotFound listing what there is, and CheckpointInvalid when the model is there but broken.
    """
    if isinstance(name_or_path, Path) or os.sep in name_or_path:
        folder = Path(name_or_path).expanduser()
        if (folder / "model_index.json").is_file():
            return read_card(folder)
    else:
        for folder in _folders(models_dir):
            if folder.name == name_or_path:
                return read_card(folder)
        for card in list_models(models_dir):
            if card.name == name_or_path:
                return card
    known = ", ".join(card.name for card in list_models(models_dir)) or "none"
    raise ModelNotFound(f"no model {str(name_or_path)!r}", field="model", hint=f"installed: {known}")


def read_card(folder: Path) -> ModelCard:
    """The card of the checkpoint in `folder`. Raises CheckpointInvalid naming the file and key that is
    missing or wrong."""
    index_file, own_file = folder / "model_index.json", folder / "imagegen.json"
    index = read_json(index_file)
    class_name = str(index.get("_class_name"))
    family = FAMILIES.get(class_name)
    if family is None:
        raise CheckpointInvalid(
            f"{class_name} checkpoints are not supported",
            field=str(index_file),
            hint=f"known: {', '.join(FAMILIES)}",
        )
    own = read_json(own_file) if own_file.is_file() else {}
    if own and own.get("format_version") != FORMAT_VERSION:
        raise CheckpointInvalid(
            f"has format_version {own.get('format_version')}, this version reads {FORMAT_VERSION}",
            field=str(own_file),
            hint="use the imagegen version that the model was made for",
        )
    if own.get("architecture", family.architecture) != family.architecture:
        raise CheckpointInvalid(
            f"says {own['architecture']}, model_index.json says {family.architecture}",
            field=f"{own_file}: architecture",
        )
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    distilled = DISTILLED if not family.by_diffusers and index.get("is_distilled", False) else {}
    defaults = _Defaults(family.defaults | distilled, own, own_file)
    return ModelCard(
        name=str(own.get("name", folder.resolve().name)),
        path=folder,
        architecture=family.architecture,
        by_diffusers=family.by_diffusers,
        licence=str(own.get("licence", "unknown")),
        source=str(own.get("source", "unknown")),
        steps=defaults.positive("steps"),
        width=defaults.positive("width"),
        height=defaults.positive("height"),
        sizes=_sizes(own.get("sizes"), own_file),
        multiple=family.multiple or _multiple(folder / "vae" / "config.json"),
        text_length=defaults.positive("text_length"),
        text_encoder_out_layers=defaults.layers("text_encoder_out_layers"),
        guidance=defaults.at_least_one("guidance"),
        references=0 if family.by_diffusers else _references(own.get("references", REFERENCES), own_file),
        disk_bytes=sum(file.stat().st_size for file in files),
        revision=_revision(folder, files),
    )


def _revision(folder: Path, files: list[Path]) -> str:
    """Cheap: imagegen.json carries the hashes of the weights, so the weights need not be read."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(folder)} {file.stat().st_size}\n".encode())
        if file.name in ("imagegen.json", "model_index.json"):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _folders(models_dir: Path | None) -> Iterator[Path]:
    if (BUNDLED / "model_index.json").is_file():
        yield BUNDLED
    if models_dir is not None and models_dir.is_dir():
        # Hidden folders are imports that are not finished.
        yield from sorted(index.parent for index in models_dir.glob("[!.]*/model_index.json"))


class _Defaults:
    """The `defaults` of imagegen.json over the architecture's own, each read with its type."""

    def __init__(self, architecture: dict[str, Any], own: dict[str, Any], file: Path) -> None:
        given = own.get("defaults", {})
        self._file = file
        if not isinstance(given, dict) or (unknown := sorted(set(given) - set(architecture))):
            named = ", ".join(unknown) if isinstance(given, dict) else "no object"
            raise CheckpointInvalid(f"unknown defaults: {named}", field=f"{file}: defaults")
        self._values = architecture | given

    def positive(self, key: str) -> int:
        value = self._values[key]
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self._wrong(key, "a positive whole number")
        return value

    def at_least_one(self, key: str) -> float:
        value = self._values[key]
        if not isinstance(value, (int, float)) or isinstance(value, bool) or value < 1:
            raise self._wrong(key, "a number of at least 1")
        return float(value)

    def layers(self, key: str) -> tuple[int, ...]:
        value = self._values[key]
        if not isinstance(value, list) or not value or not all(isinstance(k, int) and k >= 0 for k in value):
            raise self._wrong(key, "a list of layer numbers")
        return tuple(value)

    def _wrong(self, key: str, wanted: str) -> CheckpointInvalid:
        return CheckpointInvalid(
            f"must be {wanted}, not {self._values[key]!r}", field=f"{self._file}: defaults.{key}"
        )


def _sizes(value: object, file: Path) -> tuple[tuple[int, int], ...] | None:
    if value is None:
        return None
    if isinstance(value, list) and value:
        pairs = [tuple(pair) for pair in value if isinstance(pair, list) and len(pair) == 2]
        if len(pairs) == len(value) and all(
            isinstance(side, int) and side > 0 for pair in pairs for side in pair
        ):
            return tuple((width, height) for width, height in pairs)
    raise CheckpointInvalid("must be null or a list of [width, height] in pixels", field=f"{file}: sizes")


def _references(value: object, file: Path) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_REFERENCES:
        return value
    raise CheckpointInvalid(
        f"must be a whole number, 0 to {MOST_REFERENCES}, not {value!r}", field=f"{file}: references"
    )


def _multiple(vae_config: Path) -> int:
    channels = read_json(vae_config).get("block_out_channels")
    if not isinstance(channels, list) or not channels:
        raise CheckpointInvalid("must be a list of numbers", field=f"{vae_config}: block_out_channels")
    return int(2 ** (len(channels) - 1) * 2)
