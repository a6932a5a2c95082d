"""A checkpoint of any known layout becomes a model of ours: whole, or not at all.

Everything is planned before a byte is written: which tensors the networks need, where each comes from, what
is left over. Then one tensor at a time is read from the mapped source and written, into a hidden folder that
no list of models shows; the folder is read again for the hashes of its manifest and renamed. What was cut
short is continued by the next import of the same source under the same name.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch

from imagegen.errors import CheckpointInvalid, ImagegenError, InvalidRequest
from imagegen.weights import preview_file
from imagegen.weights.catalog import BUNDLED, ModelCard, read_card
from imagegen.weights.importers.convert import (
    Converted,
    DoesNotFit,
    ImportFormat,
    keep,
    looks_exact,
    quantised,
)
from imagegen.weights.importers.find import Component, Found, find
from imagegen.weights.importers.plan import Plan, Target, plans
from imagegen.weights.importers.stored import Stored, joined
from imagegen.weights.importers.write import SafetensorsWriter, writing
from imagegen.weights.locate import read_json
from imagegen.weights.manifest import write_manifest

OnProgress = Callable[[str, int, int], None]
"""Called with what is being done, bytes of the source done, and bytes in all."""

MAPPED = 256 << 20
"""Bytes read before the mapped pages are let go."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FILES = {
    "transformer": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
}


@dataclass(frozen=True)
class Options:
    """How the two large networks are stored; `group_size` None is each format's own (convert.py).

    `low_rank` above 0 is the rank of a correction beside int4 weights. `float_activations` are patterns of
    layers, named as in the report, whose activations stay as they are instead of becoming int8.
    `licence` and `source` are written down in place of what the checkpoint says of itself.
    """

    format: ImportFormat = "keep"
    text_encoder: ImportFormat = "keep"
    group_size: int | None = None
    low_rank: int = 0
    licence: str | None = None
    source: str | None = None
    float_activations: tuple[str, ...] = ()


@dataclass
class Imported:
    """What an import did: the new model, and for each packed linear its format and the error made."""

    card: ModelCard
    layout: str
    layers: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0


def import_model(
    source: Path,
    name: str,
    models_dir: Path,
    options: Options | None = None,
    rest: Path | None = None,
    on_progress: OnProgress = lambda what, done, total: None,
    preview_decoder: Path | None = None,
) -> Imported:
    """Import `source`, a folder or file, as the model `name` in `models_dir`.

    `rest` is a folder that gives what the source lacks: a single file holds the transformer alone.
    `preview_decoder` is a file for pictures on their way (preview_file.py), in place of the source's own.

    Raises InvalidRequest for a name that is taken, in use by another import or no file name;
    CheckpointInvalid naming the file and tensor that is missing, damaged, left over or does not fit the
    format; OutputNotWritable when the disk is full.
    """
    started, options = time.monotonic(), options or Options()
    new_folder(models_dir, name)
    found = _completed(find(source), source, rest)
    if preview_decoder is not None:
        found = replace(found, preview_decoder=preview_decoder, files=(*found.files, preview_decoder))
    with _reserved(models_dir, name) as target:
        planned = plans(found)
        _check_patterns(planned, options.float_activations)
        work = target.with_name(f".{name}.importing")
        _start(work, _identity(found, options))
        progress = _Progress(on_progress, sum(plan.nbytes for plan in planned))
        layers: dict[str, dict[str, Any]] = {}
        for plan in planned:
            layers |= _write_component(work, plan, options, progress)
        _write_rest(work, found)
        on_progress("checking", 0, 1)
        write_manifest(work, _description(found, name, source, options, layers))
        _move(work, target)
        card = read_card(target)
    return Imported(card, found.layout, layers, time.monotonic() - started)


def _check_patterns(planned: list[Plan], patterns: tuple[str, ...]) -> None:
    """Raises InvalidRequest for a pattern that names no layer that can be packed."""
    names = [_layer(plan, target.name) for plan in planned for target in plan.targets if target.packable]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InvalidRequest(
                f"{pattern!r} names no layer", field="float_activations", hint=f"layers are like {names[0]}"
            )


def _layer(plan: Plan, tensor: str) -> str:
    return f"{plan.component}.{tensor.removesuffix('.weight')}"


def new_folder(models_dir: Path, name: str) -> Path:
    """Where the model `name` will be. Raises InvalidRequest for a name that is taken or no file name."""
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"{name!r} is no name for a model", field="name", hint="letters, digits, dots, dashes, at most 64"
        )
    target = models_dir / name
    if target.exists() or name == BUNDLED.name:
        raise InvalidRequest(
            f"there is a model {name} already",
            field="name",
            hint=f"take another name, or first: imagegen models remove {name}",
        )
    return target


def _completed(found: Found, source: Path, rest: Path | None) -> Found:
    """The source, with what it lacks from `rest`."""
    if found.missing() and rest is not None:
        other = find(rest)
        given = {name: getattr(other, name) for name in found.missing()}
        index = other.index if found.layout in ("bfl", "gguf") else found.index
        found = replace(
            found,
            **given,
            index=index,
            own=found.own or other.own,
            licence=found.licence or other.licence,
            preview_decoder=found.preview_decoder or other.preview_decoder,
            files=found.files + other.files,
        )
    if found.missing():
        raise CheckpointInvalid(
            f"has no {', no '.join(name.replace('_', ' ') for name in found.missing())}",
            field=str(source),
            hint="name a folder in diffusers layout that has it with --rest-from",
        )
    return found


@contextmanager
def _reserved(models_dir: Path, name: str) -> Iterator[Path]:
    """The folder to make, which nobody else makes meanwhile."""
    from filelock import FileLock, Timeout

    lock = FileLock(models_dir / f".{name}.lock", timeout=0)
    with writing(models_dir / name):
        models_dir.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout as error:
            raise InvalidRequest(
                f"{name} is being imported already", field="name", hint="wait for it, or take another name"
            ) from error
    try:
        yield new_folder(models_dir, name)
    finally:
        lock.release()


class _Progress:
    """Adds up what was read, and lets go of the mapped pages now and then."""

    def __init__(self, tell: OnProgress, total: int) -> None:
        self._tell, self._total, self._done, self._mapped = tell, total, 0, 0

    def read(self, component: Component, names: list[str], what: str) -> None:
        nbytes = sum(map(component.tensors.nbytes, names))
        self._done += nbytes
        self._mapped += nbytes
        if self._mapped > MAPPED:
            component.tensors.release()
            self._mapped = 0
        self._tell(what, self._done, self._total)


def _write_component(
    work: Path, plan: Plan, options: Options, progress: _Progress
) -> dict[str, dict[str, Any]]:
    """Returns the packed layers by name with their format, group size and error."""
    file = work / plan.component / _FILES[plan.component]
    if file.exists():
        notes: dict[str, Any] = read_json(file.with_name("import.json"))
    else:
        format = {"transformer": options.format, "text_encoder": options.text_encoder}.get(
            plan.component, "keep"
        )
        exact = format == "keep" and _mostly_exact(plan)
        with SafetensorsWriter(file, 5 * len(plan.targets)) as writer:
            for target in plan.targets:
                if target.name not in writer.done:
                    converted = _converted(plan, target, format, exact, options)
                    tensors = {f"{target.name}{leaf}": part for leaf, part in converted.tensors.items()}
                    writer.add(target.name, tensors, _note(converted))
                    del converted, tensors
                progress.read(plan.source, [name for name, _, of in target.pieces if of == 1], plan.component)
            notes = {name: note for name, note in writer.done.items() if note is not None}
            _write_json(file.with_name("import.json"), notes)
            writer.finish()
    layers = {name.removesuffix(".weight"): note for name, note in notes.items()}
    for name, note in layers.items():
        if any(fnmatchcase(f"{plan.component}.{name}", pattern) for pattern in options.float_activations):
            note["activations"] = "float"
    config = {key: value for key, value in plan.source.config.items() if key != "quantization"}
    _write_json(file.with_name("config.json"), config | _quantization_config(layers))
    return {f"{plan.component}.{name}": note for name, note in layers.items()}


def _mostly_exact(plan: Plan) -> bool:
    """Whether most of the linears are binary or ternary, told by their first rows: then all must be."""
    packable = [target for target in plan.targets if target.packable]
    exact = sum(looks_exact(_head(plan, target)) for target in packable)
    plan.source.tensors.release()
    return 2 * exact > len(packable)


def _head(plan: Plan, target: Target) -> Stored:
    return plan.source.tensors.read(target.pieces[0][0])


def _converted(plan: Plan, target: Target, format: ImportFormat, exact: bool, options: Options) -> Converted:
    tensors = plan.source.tensors
    names = [name for name, _, _ in target.pieces]
    try:
        parts = [_rows(tensors.read(name), part, of) for name, part, of in target.pieces]
        whole = joined(parts)
        if not target.packable:
            return _unpacked(whole)
        if format == "keep":
            return keep(whole, exact)
        return quantised(whole, format, options.group_size, options.low_rank)
    except DoesNotFit as error:
        raise CheckpointInvalid(
            f"tensor {' + '.join(names)} cannot be kept without loss: {error}",
            field=str(tensors.file_of(names[0])),
            hint="the file is damaged, or quantise it with --format (--text-encoder for the text encoder)",
        ) from error
    except ValueError as error:
        raise CheckpointInvalid(
            f"tensor {' + '.join(names)}: {error}", field=str(tensors.file_of(names[0]))
        ) from error


def _unpacked(whole: Stored) -> Converted:
    """Tables, norms and the first and last linears are dense in every model; a pack's codes of them become
    what the tool makes of them."""
    if isinstance(whole, torch.Tensor):
        return Converted({"": whole}, None)
    dense = whole.dense if isinstance(whole.dense, torch.Tensor) else whole.dense()
    return Converted({"": dense}, None)


def _rows(stored: Stored, part: int, of: int) -> Stored:
    if of == 1:
        return stored
    if not isinstance(stored, torch.Tensor):
        stored = stored.dense if isinstance(stored.dense, torch.Tensor) else stored.dense()
    return stored.chunk(of)[part]


def _note(converted: Converted) -> dict[str, Any] | None:
    if converted.format is None:
        return None
    format, group_size = converted.format
    note = {"format": format, "group_size": group_size or "row", "error": round(converted.error, 6)}
    if converted.error_without is not None:
        note["error_without_low_rank"] = round(converted.error_without, 6)
    return note


def _quantization_config(layers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The format of most layers, and of each that differs (weights/load.py)."""
    if not layers:
        return {}
    keys = ("format", "group_size", "activations")
    kinds = {name: {key: note[key] for key in keys if key in note} for name, note in layers.items()}
    counts = Counter(json.dumps(kind) for kind in kinds.values())
    most = json.loads(max(sorted(counts), key=counts.__getitem__))
    own = {name: kind for name, kind in kinds.items() if kind != most}
    config = {"quant_method": "imagegen", **most}
    return {"quantization_config": config | ({"layers": own} if own else {})}


def _write_rest(work: Path, found: Found) -> None:
    """Tokenizer, scheduler, model_index.json, preview decoder."""
    with writing(work):
        if found.tokenizer is not None:
            (work / "tokenizer").mkdir(exist_ok=True)
            for path in sorted(found.tokenizer.iterdir()):
                if path.is_file() and path.suffix in (".json", ".jinja", ".txt"):
                    shutil.copyfile(path, work / "tokenizer" / path.name)
        if found.preview_decoder is not None:
            shutil.copyfile(found.preview_decoder, work / preview_file.FILE)
    _write_json(work / "scheduler" / "scheduler_config.json", found.scheduler or {})
    _write_json(work / "model_index.json", found.index)
    for notes in work.glob("*/import.json"):
        notes.unlink()
    (work / "import.json").unlink()


def _description(
    found: Found, name: str, source: Path, options: Options, layers: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """What the manifest says beside sizes and hashes."""
    errors = {layer: note["error"] for layer, note in layers.items() if note["error"]}
    carried = ("defaults", "sizes", "references")
    own: dict[str, Any] = {key: found.own[key] for key in carried if key in found.own}
    return {
        "name": name,
        "licence": options.licence or found.own.get("licence") or found.licence or "unknown",
        "source": options.source or str(found.own.get("source", source.name)),
        "imported": {"from": source.name, "layout": found.layout, "relative_errors": errors},
        **own,
    }


def _identity(found: Found, options: Options) -> dict[str, Any]:
    """Changes with any file of the source and any option: what was begun otherwise is not continued."""
    files = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in found.files]
    digest = hashlib.sha256(json.dumps(files).encode()).hexdigest()
    choices = (options.format, options.text_encoder, options.group_size, options.low_rank)
    return {"version": 1, "source": digest, "options": [*choices, *options.float_activations]}


def _start(work: Path, identity: dict[str, Any]) -> None:
    """The hidden folder: continued, or cleared of what another import left."""
    begun = work / "import.json"
    try:
        same = begun.is_file() and read_json(begun) == identity
    except ImagegenError:
        same = False
    with writing(work):
        if work.exists() and not same:
            shutil.rmtree(work)
        work.mkdir(parents=True, exist_ok=True)
    _write_json(begun, identity)


def _move(work: Path, target: Path) -> None:
    with writing(target):
        work.rename(target)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    from imagegen.store.files import write_atomically

    write_atomically(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
