"""The pictures of a batch as one zip file, sent while it is put together.

Pictures do not get smaller by compression, so they are stored; a file of any length passes through in pieces.
All that is kept is the zip's own table of contents, about 500 bytes a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

PIECE = 1 << 18  # bytes
FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # zip's; the same pictures give the same archive
BESIDE = ("manifest.csv", "manifest.jsonl", "gallery.html", "shop.csv")


def zip_stream(folder: Path) -> Iterator[bytes]:
    """What a batch has written into `folder` so far: manifest, gallery, the shop's CSV, and the pictures that
    the manifest names."""
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_STORED) as archive:  # type: ignore[call-overload]  # write and flush are enough
        for name in _names(folder):
            path = folder / name
            if not path.is_file():
                continue
            entry = ZipInfo(name, FIRST_DAY)
            entry.external_attr = 0o644 << 16
            with path.open("rb") as file, archive.open(entry, "w", force_zip64=True) as inside:
                while piece := file.read(PIECE):
                    inside.write(piece)
                    yield sink.taken()
            yield sink.taken()
    yield sink.taken()


def _names(folder: Path) -> Iterator[str]:
    yield from BESIDE
    manifest = folder / "manifest.jsonl"
    if manifest.is_file():
        with manifest.open(encoding="utf-8") as lines:
            for line in lines:
                if (name := json.loads(line)["file"]) is not None:
                    yield name


class _Sink:
    """A file that cannot be sought in: what is written waits until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def taken(self) -> bytes:
        data, self._pieces = b"".join(self._pieces), []
        return data
