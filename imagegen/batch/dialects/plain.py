"""The plain dialect: a row a product; `id` and `description`, and if wanted `prompt`, `seed` and `size`."""

from __future__ import annotations

from collections.abc import Sequence

REQUIRED = ("id", "description")
OPTIONAL = ("prompt", "seed", "size")


def recognise(header: Sequence[str]) -> dict[str, int] | None:
    """The position of each column that the dialect knows; None when one it needs is missing or there twice.

    Upper and lower case, blanks around names and other columns do not matter.
    """
    names = [name.strip().casefold() for name in header]
    known = [name for name in names if name in REQUIRED + OPTIONAL]
    if len(set(known)) < len(known) or not set(REQUIRED) <= set(known):
        return None
    return {name: names.index(name) for name in known}
