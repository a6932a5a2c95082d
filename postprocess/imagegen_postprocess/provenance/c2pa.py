"""C2PA: whether a file carries a manifest (Content Credentials). It is neither read nor verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from PIL import Image

_INFO = "c2pa_file"  # where an opened picture keeps the file that it came from
Chunks = Iterator[tuple[bytes, bytes]]


def has_manifest(data: bytes, format: str) -> bool:
    """Whether a JPEG, PNG, WebP or AVIF file has a C2PA manifest embedded; False for other formats.

    Walks the file's own structure (C2PA 2.x, appendix A.3), since four letters turn up in compressed pixels
    by chance.
    """
    walk = _WALKS.get(format)
    return walk is not None and any(_is_manifest(kind, content) for kind, content in walk(data))


@dataclass(frozen=True)
class SignedFile:
    """A file that carries a manifest. format: "jpeg", "png", "webp" or "avif"."""

    format: str
    data: bytes = field(repr=False)


def keep_signed_file(picture: Image.Image, data: bytes) -> None:
    """Has an opened picture remember its file where that carries a manifest, so that it can be named."""
    format = (picture.format or "").lower().replace("mpo", "jpeg")
    if has_manifest(data, format):
        picture.info[_INFO] = SignedFile(format, data)


def signed_file_of(picture: Image.Image) -> SignedFile | None:
    """The file with a manifest that a picture was opened from; None when there is none."""
    found = picture.info.get(_INFO)
    return found if isinstance(found, SignedFile) else None


def _is_manifest(kind: bytes, content: bytes) -> bool:
    if kind == b"\xff\xeb":  # APP11 also carries other JUMBF boxes; the manifest store is labelled c2pa
        return b"jumb" in content[:32] and b"c2pa" in content[:128]
    if kind == b"uuid":
        return content[:16] == bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
    return kind in (b"caBX", b"C2PA")


def _jpeg(data: bytes) -> Chunks:
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:  # to the first scan
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        yield data[place : place + 2], data[place + 4 : place + 2 + length]
        place += 2 + max(2, length)


def _png(data: bytes) -> Chunks:
    place = 8
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        kind = data[place + 4 : place + 8]
        if kind == b"IEND":
            return
        yield kind, b""
        place += 12 + length


def _webp(data: bytes) -> Chunks:
    place, end = 12, 8 + int.from_bytes(data[4:8], "little")
    while place + 8 <= min(len(data), end):
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        yield data[place : place + 4], b""
        place += 8 + length + length % 2


def _avif(data: bytes) -> Chunks:
    place = 0
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        yield data[place + 4 : place + 8], data[place + 8 : place + 24]
        if length < 8:  # 0: to the end of the file; 1: a 64-bit length, which no picture needs
            return
        place += length


_WALKS: dict[str, Callable[[bytes], Chunks]] = {"jpeg": _jpeg, "png": _png, "webp": _webp, "avif": _avif}
