"""Pictures on a sheet with a line or two of text under each, to look at."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

CELL = 160
LINE = 13
GOOD, BAD = (40, 40, 40), (200, 30, 30)


@dataclass(frozen=True)
class Cell:
    """picture: uint8 [H, H, 3]; lines: (text, whether it is good news) under it."""

    picture: NDArray[np.uint8]
    lines: tuple[tuple[str, bool], ...] = ()


def contact_sheet(cells: Sequence[Cell], columns: int) -> Image.Image:
    """Cells in rows of `columns`, each picture at 160 pixels; text that does not fit is cut."""
    height = CELL + LINE * max(len(cell.lines) for cell in cells) + 4
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * CELL, rows * height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=11)
    for number, cell in enumerate(cells):
        left, top = number % columns * CELL, number // columns * height
        picture = Image.fromarray(cell.picture).resize((CELL, CELL), Image.Resampling.LANCZOS)
        sheet.paste(picture, (left, top))
        for line, (text, good) in enumerate(cell.lines):
            # Pillow's own font has no accents.
            text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
            while pen.textlength(text, font) > CELL - 6:
                text = text[:-1]
            pen.text((left + 3, top + CELL + line * LINE), text, GOOD if good else BAD, font)
    return sheet
