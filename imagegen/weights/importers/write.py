"""One safetensors file written tensor by tensor, which can be continued where it was cut short.

Room for the header is left at the start and filled at the end: a file without its header is no safetensors
file. A journal beside it has a line for every group of tensors that is on the disk. The format allows a
header that ends in spaces.
"""

from __future__ import annotations

import errno
import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imagegen.errors import OutputNotWritable

_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_CHUNK = 8 << 20
_ENTRY = 400
"""Bytes of header a tensor may take: its name, shape, dtype and two offsets."""


class SafetensorsWriter:
    """Writes `path`; until `finish` there is only `path`.part and `path`.journal."""

    def __init__(self, path: Path, most_tensors: int) -> None:
        """Continues a file that an earlier writer left; `most_tensors` bounds how many there will be.

        Raises OutputNotWritable.
        """
        self._path = path
        self._part, self._journal = (
            path.with_name(f"{path.name}.part"),
            path.with_name(f"{path.name}.journal"),
        )
        self._room = 8 + (most_tensors + 1) * _ENTRY
        self._entries: dict[str, dict[str, Any]] = {}
        self._done: dict[str, Any] = {}
        self._end = 0
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._recover()
            self._file = self._part.open("r+b" if self._part.exists() else "x+b")
            self._file.truncate(self._room + self._end)
            self._file.seek(self._room + self._end)

    def __enter__(self) -> SafetensorsWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def done(self) -> dict[str, Any]:
        """The groups that are written, with the note that was left for each."""
        return self._done

    def add(self, group: str, tensors: dict[str, Tensor], note: Any = None) -> None:
        """Write a group of tensors; after that it is on the disk, whatever happens."""
        start, entries = self._end, {}
        with writing(self._path):
            for name, tensor in tensors.items():
                flat = tensor.detach().contiguous().view(-1).view(torch.uint8)
                for offset in range(0, len(flat), _CHUNK):
                    self._file.write(flat[offset : offset + _CHUNK].numpy().data)
                entries[name] = {
                    "dtype": _DTYPES[tensor.dtype],
                    "shape": list(tensor.shape),
                    "data_offsets": [start, start + len(flat)],
                }
                start += len(flat)
            self._file.flush()
            os.fdatasync(self._file.fileno())
            with self._journal.open("a", encoding="utf-8") as journal:
                journal.write(json.dumps({"group": group, "note": note, "tensors": entries}) + "\n")
        self._end = start
        self._entries |= entries
        self._done[group] = note

    def finish(self) -> None:
        """Write the header, and give the file its name."""
        header = json.dumps(
            {"__metadata__": {"format": "pt"}, **self._entries}, separators=(",", ":")
        ).encode()
        if len(header) > self._room - 8:
            raise OutputNotWritable("has more tensors than there is room for", field=str(self._path))
        with writing(self._path):
            self._file.seek(0)
            self._file.write(struct.pack("<Q", self._room - 8) + header.ljust(self._room - 8))
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.chmod(0o644)
            self._part.replace(self._path)
            self._journal.unlink()

    def _recover(self) -> None:
        """Take over what the journal says is written; a last line that was cut short is dropped."""
        if not self._journal.exists() or not self._part.exists():
            self._journal.unlink(missing_ok=True)
            self._part.unlink(missing_ok=True)
            return
        whole = b""
        for line in self._journal.read_bytes().splitlines(keepends=True):
            try:
                record = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                record = None
            if record is None:
                break
            whole += line
            self._done[record["group"]] = record["note"]
            self._entries |= record["tensors"]
        self._journal.write_bytes(whole)
        self._end = max((entry["data_offsets"][1] for entry in self._entries.values()), default=0)
        if self._part.stat().st_size < self._room + self._end:  # the journal belongs to another file
            self._done, self._entries, self._end = {}, {}, 0
            self._journal.write_bytes(b"")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the disk refuses, as OutputNotWritable."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise OutputNotWritable(
            "the disk is full" if full else f"cannot write the file: {error.strerror or error}",
            field=str(path),
            hint="make room and run it again: it goes on where it stopped"
            if full
            else "choose a folder you may write to",
        ) from error
