"""File names from product ids: readable, safe on every file system, never the same twice."""

from __future__ import annotations

import re
import unicodedata

MAX_BYTES = 120  # of 255 that file systems take, leaving room for what is put before and after

_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def safe_stem(id: str) -> str:
    """The id with letters, marks and digits of any script kept, "-", "_" and "." kept inside, all else a "-".

    No path separator, no leading dot, no name that Windows reserves; at most 120 bytes of UTF-8; "product"
    when nothing is left.
    """
    kept = "".join(
        c if c in "-_." or unicodedata.category(c)[0] in "LMN" else "-"
        for c in unicodedata.normalize("NFC", id)
    )
    stem = re.sub(r"-{2,}", "-", kept).encode()[:MAX_BYTES].decode(errors="ignore").strip("-._")
    if _WINDOWS_DEVICES.fullmatch(stem):
        return f"{stem.partition('.')[0]}-product"
    return stem or "product"


class FileNames:
    """Gives each product its own name; ids that lead to the same one get "-2", "-3", ... as they come.

    Names that differ only in case count as the same, as they do on macOS and Windows.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, id: str, suffix: str, folder: str = "") -> str:
        """The name for this id; `suffix` with its dot. Names in different folders may be the same."""
        stem = safe_stem(id)
        name, number = stem + suffix, 1
        while _folded(folder + name) in self._taken:
            number += 1
            name = f"{stem}-{number}{suffix}"
        self._taken.add(_folded(folder + name))
        return name


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
