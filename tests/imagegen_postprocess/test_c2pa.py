"""A C2PA manifest is seen where the format puts it, and not where its letters only happen to stand."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from imagegen_postprocess.provenance.c2pa import has_manifest

JUMBF = b"JP\x00\x01\x00\x00\x00\x01\x00\x00\x00\x40jumb\x00\x00\x00\x26jumdc2pa\x00\x11\x00\x10c2pa\x00"


def saved(format: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), "teal").save(buffer, format)
    return buffer.getvalue()


def with_manifest(format: str) -> bytes:
    data = saved(format)
    if format == "jpeg":
        return data[:2] + b"\xff\xeb" + (len(JUMBF) + 2).to_bytes(2, "big") + JUMBF + data[2:]
    if format == "png":
        after_header = 8 + 25
        chunk = len(JUMBF).to_bytes(4, "big") + b"caBX" + JUMBF + bytes(4)
        return data[:after_header] + chunk + data[after_header:]
    if format == "webp":
        chunk = b"C2PA" + len(JUMBF).to_bytes(4, "little") + JUMBF + bytes(len(JUMBF) % 2)
        return data[:4] + (len(data) - 8 + len(chunk)).to_bytes(4, "little") + data[8:] + chunk
    box = bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + JUMBF
    return data + (8 + len(box)).to_bytes(4, "big") + b"uuid" + box


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif"])
def test_a_manifest_is_seen(format: str) -> None:
    assert has_manifest(with_manifest(format), format)
    assert not has_manifest(saved(format), format)


@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
def test_letters_alone_are_no_manifest(format: str) -> None:
    assert not has_manifest(saved(format) + b"....caBX..jumb..c2pa..\xff\xeb" * 3, format)


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif", "gif"])
@pytest.mark.parametrize("length", [0, 3, 9, 13, 40])
def test_a_cut_file_has_none(format: str, length: int) -> None:
    assert not has_manifest(b"\xff\xd8\xff\xeb"[:length] + bytes(length), format)
