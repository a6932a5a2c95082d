"""Encodings: what is read as what, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegen.batch.csv_text import CHUNK, open_text
from imagegen.errors import InputFileInvalid

TEXT = "id,description\ntênis,Tênis azul — «novo»\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_encoding_gives_the_same_text(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "products.csv"
    file.write_bytes(TEXT.encode(encoding))
    with open_text(file) as text:
        assert text.read() == TEXT


def test_a_character_cut_by_the_chunk_is_still_utf8(tmp_path: Path) -> None:
    file = tmp_path / "products.csv"
    content = "x" * (CHUNK - 1) + "ê"
    file.write_bytes(content.encode())
    with open_text(file) as text:
        assert text.read() == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"PK\x03\x04 more", "spreadsheet"),
        (b"%PDF-1.7", "a PDF"),
        (b"id,description\n\x00\x01\x02", "binary"),
        (b"id,description\n\x81\x8d\xff", "not text"),
    ],
)
def test_what_is_no_text_is_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "products.csv"
    file.write_bytes(content)
    with pytest.raises(InputFileInvalid, match=message) as refused:
        open_text(file)
    assert refused.value.field == str(file)


def test_half_a_utf16_character_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "products.csv"
    file.write_bytes("id".encode("utf-16") + b"x")
    with pytest.raises(InputFileInvalid, match="utf-16"):
        open_text(file)


@pytest.mark.parametrize("place", ["missing.csv", "."])
def test_what_cannot_be_opened_is_named(tmp_path: Path, place: str) -> None:
    with pytest.raises(InputFileInvalid, match="cannot be read"):
        open_text(tmp_path / place)
