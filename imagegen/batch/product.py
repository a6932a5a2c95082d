"""One product of a catalogue, as the rows that belong to it say it."""

from __future__ import annotations

from dataclasses import dataclass

from imagegen.batch.dialects.dialect import Values


@dataclass(frozen=True, slots=True)
class Product:
    """`row` counts the rows below the header from 1, blank ones left out, `line` the lines of the file; both
    are those of its first row.

    id      what names it in the shop: handle, SKU or id, by dialect
    values  the known fields of its first row; texts as written, without the blanks around them
    cells   all cells of its first row
    colors  the colours it comes in, each once, in the order of the rows
    rows    number of rows that it takes
    fault   what is wrong with the row as a whole, else ""
    """

    row: int
    line: int
    id: str
    values: Values
    cells: tuple[str, ...] = ()
    colors: tuple[str, ...] = ()
    rows: int = 1
    fault: str = ""

    def value(self, field: str) -> str:
        return self.values.get(field, "")

    @property
    def sku(self) -> str:
        return self.values.get("sku", "")

    @property
    def title(self) -> str:
        return self.values.get("title", "")
