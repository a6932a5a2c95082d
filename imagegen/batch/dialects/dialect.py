"""What a dialect is: how one kind of catalogue file calls its columns, and which of its rows belong
together."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache

Values = Mapping[str, str]
"""The known fields of a row, without the blanks around them; absent where the file has no such column."""

COLOR_WORDS = frozenset(
    (
        *("color", "colour", "colors", "colours", "cor", "cores", "colores", "couleur", "couleurs"),
        *("farbe", "farben", "colore", "colori", "kleur", "kolor"),
    )
)
"""How shops call the option that a picture can show, in the languages whose headers we read."""

MAX_OPTIONS = 10  # that a shop's file numbers; Shopify and Nuvemshop have 3, WooCommerce as many as one likes

_OPTIONS = tuple((f"option{n}_name", f"option{n}_value") for n in range(1, MAX_OPTIONS + 1))
_QUOTES = str.maketrans("’‘`´", "''''")


@lru_cache(4096)
def fold(header: str) -> str:
    """A header as it is compared: case, accents, blanks and kinds of apostrophe do not count."""
    plain = unicodedata.normalize("NFKD", header.replace("\ufeff", "").translate(_QUOTES))
    kept = "".join(c for c in plain if unicodedata.category(c) != "Mn")
    return re.sub(r"\s+", " ", kept).strip(" *:").casefold()


def numbered(field: str, *spellings: str) -> dict[str, tuple[str, ...]]:
    """Columns that come numbered, {"option1_name": ("Option1 Name", ...), ...}; "#" is the number."""
    return {
        field.replace("#", str(n)): tuple(spelling.replace("#", str(n)) for spelling in spellings)
        for n in range(1, MAX_OPTIONS + 1)
    }


def options(first: Values, row: Values) -> list[tuple[str, str]]:
    """The row's numbered options, name and value; further rows may leave the names to the first one."""
    found = []
    for name_field, value_field in _OPTIONS:
        value = row.get(value_field)
        if value and (name := row.get(name_field) or first.get(name_field)):
            found.append((name, value))
    return found


def option_colors(first: Values, row: Values) -> list[str]:
    """The colours of a row: its colour option where it has one, else its colour column."""
    for name, value in options(first, row):
        if fold(name) in COLOR_WORDS:
            return [value]
    return [row["color"]] if row.get("color") else []


class Images(Enum):
    """Where a dialect's rows have room for pictures.

    ROWS: one picture a row, as many rows as pictures (and a cell for the variant's own). LIST: a list in one
    cell. FIRST: one picture in a cell, a list of more in another. NONE: nowhere.
    """

    NONE = auto()
    ROWS = auto()
    LIST = auto()
    FIRST = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One kind of catalogue file, as data.

    name        what a user calls it
    columns     our fields, each with the headers that mean it (compared by `fold`)
    required    fields without which a file is not of this dialect
    any_of      and one at least of these, where the required ones are everybody's words
    key         fields that name a product, the first that is filled counts
    group       field whose value is repeated, or left blank, by the rows that continue a product
    template    what a prompt is made from when nobody says otherwise
    colors      colours of a row, given the first row of its product
    variation   True for a row that is a variant of the product named by its `parent`
    variable    True for a row that others may name as their parent
    hidden      True for a row that has no page in the shop and needs no picture
    images      where its rows have room for pictures
    separator   between the pictures of a list
    """

    name: str
    columns: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...]
    key: tuple[str, ...]
    template: str
    any_of: tuple[str, ...] = ()
    group: str | None = None
    colors: Callable[[Values, Values], list[str]] = option_colors
    variation: Callable[[Values], bool] = field(default=lambda values: False)
    variable: Callable[[Values], bool] = field(default=lambda values: False)
    hidden: Callable[[Values], bool] = field(default=lambda values: False)
    images: Images = Images.NONE
    separator: str = ","

    def recognise(self, header: Sequence[str]) -> dict[str, int] | None:
        """The position of each column that the dialect knows; None when the header is not of this dialect.

        A required column that is there twice is as bad as a missing one: which is meant cannot be known.
        """
        found = self.positions(header)
        if not all(name in found for name in self.required):
            return None
        if self.any_of and not any(name in found for name in self.any_of):
            return None
        names = [fold(name) for name in header]
        if any(names.count(names[found[name]]) > 1 for name in self.required):
            return None
        return found

    def positions(self, header: Sequence[str]) -> dict[str, int]:
        """The position of each column that the dialect knows, missing or not; the first of equal ones."""
        names = [fold(name) for name in header]
        found = {}
        for name, spellings in self.columns.items():
            places = [names.index(s) for s in map(fold, spellings) if s in names]
            if places:
                found[name] = places[0]
        return found
