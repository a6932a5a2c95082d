"""A CSV file as text: which encoding it is in, and that it is text at all.

Reads in chunks, so a file of any size takes the same memory.
"""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TextIO

from imagegen.errors import InputFileInvalid

CHUNK = 1 << 20  # bytes

_EXPORT = "export it as CSV, best in UTF-8"
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_OTHER_FILES = {
    b"PK\x03\x04": "a spreadsheet or zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}


def open_text(path: Path, encoding: str | None = None) -> TextIO:
    """The file opened for csv.reader (line ends untouched), in `encoding` or else the one that fits all of
    it.

    Raises InputFileInvalid as `encoding_of` does.
    """
    try:
        return path.open(encoding=encoding or encoding_of(path), newline="")
    except OSError as error:
        raise _unreadable(path, error) from error


def encoding_of(path: Path) -> str:
    """The encoding that fits all of the file.

    Tried in order: UTF-16 by its byte order mark, UTF-8 with or without one, Windows-1252. Raises
    InputFileInvalid when there is no such file or it holds something else than text.
    """
    try:
        return _encoding(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def head_of(path: Path) -> bytes:
    """The first bytes, by which kinds of files are told apart. Raises InputFileInvalid."""
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InputFileInvalid:
    return InputFileInvalid(f"cannot be read: {error.strerror}", field=str(path))


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4)
    if not head:
        raise InputFileInvalid("the file is empty", field=str(path), hint=_EXPORT)
    for mark, kind in _OTHER_FILES.items():
        if head.startswith(mark):
            raise InputFileInvalid(f"this is {kind}, not a CSV file", field=str(path), hint=_EXPORT)
    candidates = ("utf-16",) if head.startswith(_UTF16_MARKS) else ("utf-8-sig", "cp1252")
    for encoding in candidates:
        if _decodes(path, encoding):
            return encoding
    raise InputFileInvalid(f"is not text in {' or '.join(candidates)}", field=str(path), hint=_EXPORT)


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        try:
            while chunk := file.read(CHUNK):
                if "\0" in decoder.decode(chunk):
                    raise InputFileInvalid("holds binary data, not text", field=str(path), hint=_EXPORT)
            decoder.decode(b"", final=True)
        except UnicodeError:
            return False
    return True
