"""A feed in XML (RSS 2.0 or Atom with Google's `g:` elements) as records, like those of a CSV file.

The file is parsed as it streams: an item is forgotten once it is read. A document type declaration is
refused, because that is where entities are defined, those that grow a kilobyte into gigabytes and those that
read files; nothing that a feed needs stands there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from imagegen.batch.csv_records import MAX_FIELD, Record
from imagegen.errors import InputFileInvalid

CHUNK = 1 << 16  # bytes
_ITEMS = ("item", "entry")


def looks_like_xml(head: bytes) -> bool:
    """True for the first bytes of an XML file in any encoding that has a `<` (UTF-16 included)."""
    return head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<")


def records(path: Path) -> Iterator[Record]:
    """First the names of all elements that items have, as a header, then a record for each item.

    Reads the file twice. An element that an item has several times (more pictures) becomes one cell, with
    commas. Raises InputFileInvalid.
    """
    names: dict[str, int] = {}
    for _, item in _items(path):
        for name in item:
            names.setdefault(name, len(names))
    if not names:
        raise InputFileInvalid(
            "there are no items in this XML file",
            field=str(path),
            hint="a product feed has <item> or <entry> elements",
        )
    yield 1, list(names)
    for line, item in _items(path):
        cells = [""] * len(names)
        for name, values in item.items():
            cells[names[name]] = ",".join(values)
        yield line, cells


def _items(path: Path) -> Iterator[tuple[int, dict[str, list[str]]]]:
    target = _Collector()
    parser = ElementTree.XMLParser(target=target)
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                parser.feed(chunk)
                yield from target.take()
        parser.close()
        yield from target.take()
    except OSError as error:
        raise InputFileInvalid(f"cannot be read: {error.strerror}", field=str(path)) from error
    except _Refused as error:
        raise InputFileInvalid(str(error), field=str(path), hint="export the feed without it") from error
    except ElementTree.ParseError as error:
        raise InputFileInvalid(f"is no whole XML file: {error}", field=str(path)) from error


class _Refused(Exception):
    """What a feed may not contain."""


class _Collector:
    """Hears what the parser meets and keeps the items that are whole: their own elements by local name."""

    def __init__(self) -> None:
        self._depth = 0
        self._item: dict[str, list[str]] | None = None
        self._inside = 0
        self._text: list[str] = []
        self._length = 0
        self._whole: list[tuple[int, dict[str, list[str]]]] = []
        self._count = 0

    def take(self) -> list[tuple[int, dict[str, list[str]]]]:
        whole, self._whole = self._whole, []
        return whole

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise _Refused("has a document type declaration (<!DOCTYPE>), which can be made to attack its reader")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._item is not None:
            self._inside += 1
            if self._inside == 1:
                self._text, self._length = [], 0
        elif _local(tag) in _ITEMS:
            self._item = {}

    def data(self, text: str) -> None:
        if self._inside:
            self._length += len(text)
            if self._length > MAX_FIELD:
                raise _Refused(f"has a field longer than {MAX_FIELD:,} characters")
            self._text.append(text)

    def end(self, tag: str) -> None:
        if self._item is None:
            return
        if self._inside:
            if self._inside == 1:
                value = "".join(self._text).strip()
                if value:
                    self._item.setdefault(_local(tag), []).append(value)
            self._inside -= 1
        else:
            self._count += 1
            self._whole.append((self._count, self._item))
            self._item = None

    def close(self) -> None:
        return None


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
