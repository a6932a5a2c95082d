"""Texts that a program before us has damaged: letters turned into question marks, or read in the wrong
encoding.

Neither can be undone with certainty, and a picture of "T?nis" is a picture of nothing: the seller should hear
of it.
"""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"\S+://\S+|\bwww\.\S+|\S+\?\w+=\S+")
_DESTROYED = re.compile(r"\w\?\w|\?\?\w|\w\?\?\S|\ufffd")
# UTF-8 read as Windows-1252: "Ã©" is é, "Ã§Ã£" is çã, "â€™" is an apostrophe.
_MISREAD = re.compile(
    "[ÃÂ][\u00a0-\u00bf\u0192\u201a\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152]|â€[™œ\u009d“”¦“]"
)


def damage_in(text: str) -> str | None:
    """What is wrong with a text, in words; None when nothing is seen."""
    if "?" in text or "\ufffd" in text:
        without = _ADDRESS.sub(" ", text)
        if (match := _DESTROYED.search(without)) is not None:
            return (
                f"letters were destroyed before the file came here ({_around(without, match)!r}); "
                "export it again, as UTF-8"
            )
    if not text.isascii() and (match := _MISREAD.search(text)) is not None:
        return (
            f"letters were read in a wrong encoding before the file came here ({_around(text, match)!r}); "
            "export it again, as UTF-8"
        )
    return None


def _around(text: str, match: re.Match[str]) -> str:
    start, end = match.span()
    while start > 0 and not text[start - 1].isspace() and match.start() - start < 20:
        start -= 1
    while end < len(text) and not text[end].isspace() and end - match.end() < 20:
        end += 1
    return text[start:end]
