"""A tensor as some tool stored it, before it takes one of our formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Coded:
    """A weight [N, K] of groups of K / G columns: code * scale + offset, in exact arithmetic.

    codes    uint8 [N, K] in 0..2^bits - 1
    scale    float64 [N, G], of any sign
    offset   float64 [N, G]
    dense    the weight as the tool itself gives it back, in the dtype that it computes in
    """

    codes: Tensor
    scale: Tensor
    offset: Tensor
    bits: int
    dense: Callable[[], Tensor]

    @property
    def shape(self) -> tuple[int, int]:
        return self.codes.shape[0], self.codes.shape[1]

    @property
    def group_size(self) -> int:
        return self.codes.shape[1] // self.scale.shape[1]


@dataclass(frozen=True, eq=False)
class Uneven:
    """A weight [N, K] whose levels no format of ours has, as float32, and why it has none."""

    dense: Tensor
    group_size: int
    why: str

    @property
    def shape(self) -> tuple[int, int]:
        return self.dense.shape[0], self.dense.shape[1]


Stored = Tensor | Coded | Uneven


class TensorSource(Protocol):
    """The tensors of one component by name, read one at a time from mapped files."""

    def __contains__(self, name: str) -> bool: ...

    def __iter__(self) -> Iterator[str]: ...

    def shape(self, name: str) -> tuple[int, ...]:
        """Of the tensor that is stood for, not of its codes."""

    def read(self, name: str) -> Stored:
        """Raises CheckpointInvalid naming the tensor whose parts do not fit together."""

    def nbytes(self, name: str) -> int:
        """Bytes it takes in its file, for progress."""

    def file_of(self, name: str) -> Path:
        """The file that an error about this tensor names."""

    def release(self) -> None:
        """Let go of the mapped pages, which count as this process's memory once they were read."""


def joined(parts: list[Stored]) -> Stored:
    """The parts one below the other. Raises ValueError where they were not stored alike."""
    if len(parts) == 1:
        return parts[0]
    dense = [part for part in parts if isinstance(part, Tensor)]
    if len(dense) == len(parts):
        return torch.cat(dense)
    uneven = [part for part in parts if isinstance(part, Uneven)]
    if len(uneven) == len(parts):
        whole = torch.cat([part.dense for part in uneven])
        return Uneven(whole, uneven[0].group_size, uneven[0].why)
    coded = [part for part in parts if isinstance(part, Coded)]
    if len(coded) < len(parts) or len({(part.bits, part.group_size) for part in coded}) > 1:
        raise ValueError("they run as one linear, but are stored in different formats")
    return Coded(
        codes=torch.cat([part.codes for part in coded]),
        scale=torch.cat([part.scale for part in coded]),
        offset=torch.cat([part.offset for part in coded]),
        bits=coded[0].bits,
        dense=lambda: torch.cat([part.dense() for part in coded]),
    )


def low_bits_first(packed: Tensor, bits: int) -> Tensor:
    """Codes of `bits` 1, 2, 4 or 8 in integers of any width [N, W], the first in the lowest bits: uint8
    [N, K]."""
    packed = packed.contiguous().view(torch.uint8)  # little-endian: the lowest bits are in the first byte
    if bits == 8:
        return packed
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8)
    return (packed.unsqueeze(-1) >> shifts & (1 << bits) - 1).flatten(1)
