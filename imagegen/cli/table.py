"""Tables for people."""

from __future__ import annotations

import sys
from collections.abc import Sequence

PLAIN_WIDTH = 200  # a file or pipe has no width to fit into, and texts should stay whole there


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] = ()) -> None:
    """Texts in columns on standard output; `styles` are Rich's, one a row. The last column may be folded."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE)
    for column in columns[:-1]:
        table.add_column(column, no_wrap=True)
    table.add_column(columns[-1], overflow="fold")
    for place, row in enumerate(rows):
        table.add_row(*map(Text, row), style=styles[place] if styles else None)
    Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH).print(table)
