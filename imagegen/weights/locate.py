"""The files of a checkpoint folder in diffusers layout: JSON, and tensors in safetensors files (one, or
shards with an index).

Knows names and bytes only, nothing of networks; torch is imported when a tensor is read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagegen.errors import CheckpointInvalid

if TYPE_CHECKING:
    from torch import Tensor

COPY_AGAIN = "copy the checkpoint again: the file is incomplete or damaged"
_STEMS = ("diffusion_pytorch_model", "model")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`. Raises CheckpointInvalid naming the file when it is missing, unreadable or
    no object."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise CheckpointInvalid("is missing", field=str(path), hint="copy the checkpoint again") from error
    except OSError as error:
        raise CheckpointInvalid(f"cannot be read: {error.strerror}", field=str(path)) from error
    except ValueError as error:
        raise CheckpointInvalid(f"is not valid JSON: {error}", field=str(path), hint=COPY_AGAIN) from error
    if not isinstance(content, dict):
        raise CheckpointInvalid("holds no JSON object", field=str(path), hint=COPY_AGAIN)
    return content


class TensorFiles:
    """The tensors of one component folder, by name. Files are memory-mapped: a tensor costs memory when it is
    used."""

    def __init__(self, folder: Path, files: list[tuple[Path, list[str] | None]] | None = None) -> None:
        """`files` are the weight files with the names that an index lists for each; None looks for them.

        Raises CheckpointInvalid naming the file that is missing, truncated or lists what it does not hold.
        """
        self.folder = folder
        self._file_of: dict[str, Path] = {}
        self._handles: dict[Path, Any] = {}
        for path, listed in files if files is not None else _weight_files(folder):
            handle = self._handles[path] = _open(path)
            held = set(handle.keys())
            for name in listed if listed is not None else sorted(held):
                if name not in held:
                    raise CheckpointInvalid(
                        f"lacks the tensor {name} that the index lists", field=str(path), hint=COPY_AGAIN
                    )
                self._file_of[name] = path

    def __contains__(self, name: str) -> bool:
        return name in self._file_of

    def __iter__(self) -> Iterator[str]:
        return iter(self._file_of)

    def file_of(self, name: str) -> Path:
        """The file that holds the tensor; for a name that no file holds, the component's folder."""
        return self._file_of.get(name, self.folder)

    def describe(self, name: str) -> tuple[list[int], str, int]:
        """Shape, dtype as safetensors calls it, and bytes, without reading the tensor."""
        piece = self._handles[self._file_of[name]].get_slice(name)
        shape, dtype = list(piece.get_shape()), str(piece.get_dtype())
        bits = re.match(r"[A-Z]+(\d+)", dtype)  # BOOL takes a byte
        return shape, dtype, math.prod(shape) * int(bits[1] if bits else 8) // 8

    def release(self) -> None:
        """Let go of the mapped pages: what was read counts as this process's memory until then."""
        self._handles = {path: _open(path) for path in self._handles}

    def read(self, name: str) -> Tensor:
        """The tensor on the CPU in its stored dtype, backed by the mapped file. KeyError for an unknown
        name."""
        path = self._file_of[name]
        tensor: Tensor = self._handles[path].get_tensor(name)
        return tensor


def safetensors_file(path: Path) -> TensorFiles:
    """The tensors of one file. Raises CheckpointInvalid for one that is no complete safetensors file."""
    return TensorFiles(path.parent, [(path, None)])


def _weight_files(folder: Path) -> list[tuple[Path, list[str] | None]]:
    """Each weight file with the tensor names that an index lists for it (None without an index)."""
    for stem in _STEMS:
        index = folder / f"{stem}.safetensors.index.json"
        if index.is_file():
            return _shards(index)
        single = folder / f"{stem}.safetensors"
        if single.is_file():
            return [(single, None)]
    raise CheckpointInvalid(
        "has no weights",
        field=str(folder),
        hint=f"expected {' or '.join(f'{s}.safetensors' for s in _STEMS)}",
    )


def _shards(index: Path) -> list[tuple[Path, list[str] | None]]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointInvalid("has no weight_map", field=str(index), hint=COPY_AGAIN)
    listed: dict[str, list[str]] = {}
    for name, file in weight_map.items():
        if not isinstance(file, str) or Path(file).name != file:
            raise CheckpointInvalid(f"weight_map sends {name} to {file!r}, no file name", field=str(index))
        listed.setdefault(file, []).append(name)
    return [(index.parent / file, names) for file, names in sorted(listed.items())]


def _open(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="pt")
    except FileNotFoundError as error:
        raise CheckpointInvalid("is missing", field=str(path), hint="copy the checkpoint again") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointInvalid(
            f"is no complete safetensors file: {error}", field=str(path), hint=COPY_AGAIN
        ) from error
