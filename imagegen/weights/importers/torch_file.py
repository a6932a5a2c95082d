"""Files written by torch.save, read without running what is in them.

gemlite and HQQ save their packs so (state_dict.pt, qmodel.pt); there is no other form of them. torch's
restricted loader builds tensors, numbers, words, lists and dictionaries and refuses everything else, and the
tensors stay in the mapped file. Any other pickle is refused unread (find.py).
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from imagegen.errors import CheckpointInvalid
from imagegen.weights.locate import COPY_AGAIN


class TorchFile:
    """What the file holds, by name; dictionaries of dictionaries become dotted names."""

    def __init__(self, path: Path) -> None:
        """Raises CheckpointInvalid for a damaged file and for one that wants to run code."""
        self._path = path
        self._values = _load(path)

    def release(self) -> None:
        self._values = _load(self._path)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def read(self, name: str) -> Any:
        return self._values[name]

    def file_of(self, name: str) -> Path:
        return self._path


def _load(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointInvalid(
            "holds more than tensors, which may run code: it was not loaded",
            field=str(path),
            hint="take a copy in safetensors",
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        raise CheckpointInvalid(
            f"is no complete file of torch.save: {error}", field=str(path), hint=COPY_AGAIN
        ) from error
    if not isinstance(content, Mapping):
        raise CheckpointInvalid("holds no dictionary of tensors", field=str(path))
    return dict(_flat("", content))


def _flat(prefix: str, content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value
