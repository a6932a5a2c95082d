"""A catalogue file: what it is, and its products one at a time.

The file is read anew for each pass and no row is kept, so 100,000 rows take the memory of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from pathlib import Path

from imagegen.batch import csv_records, xml_feed
from imagegen.batch.columns import locate, mapped
from imagegen.batch.csv_text import encoding_of, head_of
from imagegen.batch.dialects import DIALECTS, PLAIN, Dialect
from imagegen.batch.product import Product
from imagegen.errors import InputFileInvalid


class Role(Enum):
    """What a row is to its product: its first, a further one, a variation that may stand anywhere in the
    file, or one that has no page in the shop."""

    STARTS = auto()
    CONTINUES = auto()
    VARIATION = auto()
    HIDDEN = auto()


@dataclass(frozen=True, slots=True)
class Row:
    """One row below the header. `product` is the id of the product that it belongs to."""

    number: int
    line: int
    cells: list[str]
    values: Mapping[str, str]
    role: Role
    product: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A file whose columns are known: `columns` maps our fields to positions in `header`.

    `encoding` is None for XML, which says its own; `delimiter` is then that of a CSV written from it.
    """

    path: Path
    dialect: Dialect
    header: tuple[str, ...]
    columns: Mapping[str, int]
    delimiter: str = ","
    encoding: str | None = None

    @property
    def is_xml(self) -> bool:
        return self.encoding is None

    def count(self) -> int:
        """Number of products. Reads the whole file; raises InputFileInvalid for what cannot be read."""
        return sum(1 for _ in self.products())

    def products(self) -> Iterator[Product]:
        """Every product, in order, faulty ones included. Raises InputFileInvalid for what cannot be read."""
        gathered: _Gathered | None = None
        for row in self.rows():
            if row.role is Role.STARTS:
                if gathered is not None:
                    yield gathered.product()
                gathered = _Gathered(row, self.dialect)
            elif row.role is Role.CONTINUES and gathered is not None:
                gathered.add(row)
        if gathered is not None:
            yield gathered.product()

    def rows(self) -> Iterator[Row]:
        """Every row that is not blank, with its place in a product."""
        roles = _Roles(self.dialect)
        for number, (line, cells) in enumerate(islice(_records(self), 1, None), start=1):
            values = {
                name: cells[place].strip() for name, place in self.columns.items() if place < len(cells)
            }
            role, product = roles.of(values)
            yield Row(number, line, cells, values, role, product, self._fault(cells))

    def _fault(self, cells: Sequence[str]) -> str:
        if not any(cell.strip() for cell in cells[len(self.header) :]):
            return ""
        return (
            f"has {len(cells)} cells under {len(self.header)} headers; "
            f'put texts that contain a {csv_records.DELIMITERS[self.delimiter]} into "quotes"'
        )


def open_catalogue(path: Path, columns: Mapping[str, str] | None = None) -> Catalogue:
    """Finds out what kind of catalogue a file is.

    `columns` maps fields to headers where the file's own are not known: {"id": "Ref", "title": "Artikel"}; it
    goes before what a dialect would say. Raises InputFileInvalid naming what was found and what is expected,
    and InvalidRequest(field="columns") for a header that the file does not have.
    """
    candidates: dict[str, tuple[str, ...]]
    encoding: str | None = None
    if xml_feed.looks_like_xml(head_of(path)):
        candidates = {",": tuple(next(xml_feed.records(path))[1])}
    else:
        encoding = encoding_of(path)
        candidates = {
            delimiter: tuple(next(csv_records.records(path, delimiter, encoding), (1, []))[1])
            for delimiter in csv_records.DELIMITERS
        }
    for delimiter, header in candidates.items():
        for dialect in DIALECTS:
            if (found := dialect.recognise(header)) is not None:
                found |= locate(columns or {}, header)
                return Catalogue(path, dialect, header, found, delimiter, encoding)
    widest = max(candidates, key=lambda delimiter: len(candidates[delimiter]))
    header = candidates[widest]
    if not header:
        raise InputFileInvalid("the file holds only blank lines", field=str(path), hint=_EXPECTED)
    if columns:
        places = PLAIN.positions(header) | locate(columns, header)
        return Catalogue(path, mapped(columns), header, places, widest, encoding)
    shown = ", ".join(repr(name.strip()[:40]) for name in header[:20])
    raise InputFileInvalid(f"no usable columns; the header has {shown}", field=str(path), hint=_EXPECTED)


_EXPECTED = (
    "the first line must name the columns id and description, each once, or be that of "
    f"{', '.join(dialect.name for dialect in DIALECTS if dialect is not PLAIN)}; "
    "--columns id=HEADER,title=HEADER says which column holds what"
)


def _records(catalogue: Catalogue) -> Iterator[csv_records.Record]:
    if catalogue.encoding is None:
        return xml_feed.records(catalogue.path)
    return csv_records.records(catalogue.path, catalogue.delimiter, catalogue.encoding)


class _Roles:
    """Tells what each row is to its product, in the order of the file.

    Keeps the names of products that rows elsewhere may refer to, and of groups that were met; nothing else.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._group = ""
        self._product = ""
        self._groups: set[str] = set()
        self._parents: dict[str, str] = {}

    def of(self, values: Mapping[str, str]) -> tuple[Role, str]:
        dialect = self._dialect
        if dialect.hidden(values):
            return Role.HIDDEN, ""
        if dialect.variation(values) and (parent := self._parents.get(values.get("parent", ""))):
            return Role.VARIATION, parent
        group = values.get(dialect.group, "") if dialect.group else ""
        if self._product and self._continues(group, values):
            return Role.CONTINUES, self._product
        key = dialect.key
        if "group" in key and group in self._groups:
            key = tuple(name for name in key if name != "group")  # met before, and not in the row above
        self._groups |= {group} if dialect.group == "group" and group else set()
        self._group = group
        self._product = next((values[name] for name in key if values.get(name)), "")
        if dialect.variable(values):
            self._parents |= {
                f"id:{values.get('id', '')}": self._product,
                values.get("sku", ""): self._product,
            }
        return Role.STARTS, self._product

    def _continues(self, group: str, values: Mapping[str, str]) -> bool:
        if self._dialect.group is None:
            return False
        if group:
            return group == self._group
        # Shopify and Nuvemshop may leave the name out too: then the row is about the product above.
        return self._dialect.group != "group" and not values.get("title")


class _Gathered:
    """A product while its rows come in."""

    def __init__(self, row: Row, dialect: Dialect) -> None:
        self._first = row
        self._dialect = dialect
        self._colors = dict.fromkeys(self._named(row))
        self._rows = 1
        self._fault = row.fault

    def add(self, row: Row) -> None:
        self._colors |= dict.fromkeys(self._named(row))
        self._rows += 1
        self._fault = self._fault or (f"{row.fault} (line {row.line})" if row.fault else "")

    def product(self) -> Product:
        row = self._first
        return Product(
            row.number,
            row.line,
            row.product,
            row.values,
            tuple(row.cells),
            tuple(self._colors),
            self._rows,
            self._fault,
        )

    def _named(self, row: Row) -> list[str]:
        return self._dialect.colors(self._first.values, row.values)
