"""What became of one picture."""

from __future__ import annotations

from dataclasses import dataclass

COMPLETED = "completed"
FAILED = "failed"


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file of a picture, relative to the output folder, and the marketplace it was finished for."""

    name: str
    preset: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the manifest, the gallery and the shop's CSV say of a picture.

    row, line    of its product in the catalogue (product.py)
    description  what the gallery shows beside it: the product's title, or its description
    color        "" unless the product has a picture in each of its colours
    number       counts the pictures of a product (and colour) that differ in their seeds, from 1
    files        one for each preset; none when it failed
    seconds      of work; None without a picture
    warnings     what is wrong with the row's texts
    notes        what the picture's maker says of it
    """

    row: int
    line: int
    id: str
    sku: str
    description: str
    prompt: str
    status: str
    color: str = ""
    number: int = 1
    seed: int | None = None
    files: tuple[MadeFile, ...] = ()
    seconds: float | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: str | None = None
