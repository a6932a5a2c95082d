"""GGUF files, read by the gguf package; the blocks of a row lie one after the other, float16 scale d first.

Q1_0  128 columns, 18 bytes: bit i of byte j is column 8j + i; 0 is -d, 1 is +d
Q4_0  32 columns, 18 bytes: the low half of byte j is column j, the high half 16 + j; (code - 8) * d
Q8_0  32 columns, 34 bytes: int8 code * d

(ggml-quants.c: block_q1_0, block_q4_0, block_q8_0.) Other quantised types have scales that are no float16 or
groups that ours have not; they are given as float32, for a format that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imagegen.errors import CheckpointInvalid, MissingDependency
from imagegen.weights.importers.stored import Coded, Stored, Uneven, low_bits_first
from imagegen.weights.locate import COPY_AGAIN

MAGIC = b"GGUF"
_BLOCK = {"Q1_0": (128, 18), "Q4_0": (32, 18), "Q8_0": (32, 34)}
_DENSE = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class GgufFile:
    """The tensors of a GGUF file, mapped."""

    def __init__(self, path: Path) -> None:
        """Raises CheckpointInvalid for a damaged file, MissingDependency without the gguf package."""
        self._path = path
        self._tensors = _tensors(path)

    def release(self) -> None:
        self._tensors = _tensors(self._path)

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def file_of(self, name: str) -> Path:
        return self._path

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(int(side) for side in reversed(self._tensors[name].shape))

    def nbytes(self, name: str) -> int:
        return int(self._tensors[name].n_bytes)

    def kind(self, name: str) -> str:
        """What GGUF calls its type: F16, Q4_0, ..."""
        return str(self._tensors[name].tensor_type.name)

    def read(self, name: str) -> Stored:
        kind, shape = self.kind(name), self.shape(name)
        raw = np.array(self._tensors[name].data, order="C").view(np.uint8)  # torch wants it writable
        if kind in _DENSE:
            return torch.from_numpy(raw.reshape(-1)).view(_DENSE[kind]).view(shape)
        if kind in _BLOCK and len(shape) == 2:
            return _coded(kind, torch.from_numpy(raw).view(shape[0], -1), shape[1])
        from gguf import dequantize

        try:
            dense = dequantize(self._tensors[name].data, self._tensors[name].tensor_type)
        except NotImplementedError as error:
            raise CheckpointInvalid(
                f"tensor {name} has the GGUF type {kind}, which is not supported",
                field=str(self._path),
                hint="known: F32, F16, BF16, Q1_0, Q4_0, Q8_0; Q2_K to Q6_K with --format",
            ) from error
        why = f"the levels of GGUF's {kind} are none of ours"
        return Uneven(torch.from_numpy(dense).view(shape), 16, why)


def _tensors(path: Path) -> dict[str, Any]:
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise MissingDependency("GGUF files need the gguf package", hint="pip install gguf") from error
    try:
        return {str(tensor.name): tensor for tensor in GGUFReader(path).tensors}
    except (ValueError, IndexError, KeyError, OSError, OverflowError) as error:
        raise CheckpointInvalid(
            f"is no complete GGUF file: {error}", field=str(path), hint=COPY_AGAIN
        ) from error


def _coded(kind: str, raw: Tensor, columns: int) -> Coded:
    width, size = _BLOCK[kind]
    blocks = raw.view(len(raw), columns // width, size)
    scale, packed = blocks[..., :2].contiguous().view(torch.float16).squeeze(-1), blocks[..., 2:]
    if kind == "Q1_0":
        codes, bits, step, zero = low_bits_first(packed.flatten(1), 1), 1, 2.0, 1.0
    elif kind == "Q4_0":
        codes = torch.cat([packed & 15, packed >> 4], dim=-1).view(len(raw), columns)
        bits, step, zero = 4, 1.0, 8.0
    else:
        codes = (packed ^ 128).reshape(len(raw), columns)  # from two's complement to 0..255
        bits, step, zero = 8, 1.0, 128.0

    def dense() -> Tensor:
        groups = codes.view(*scale.shape, -1).float()
        return ((groups * step - zero) * scale.float().unsqueeze(-1)).view(len(raw), columns)

    return Coded(codes, scale.double() * step, -zero * scale.double(), bits, dense)
