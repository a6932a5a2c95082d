"""One product of a catalogue, as its row says it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

from imagegen.errors import InvalidRequest
from imagegen.request import ImageRequest, parse_size
from imagegen_postprocess import Recipe


@dataclass(frozen=True, slots=True)
class Product:
    """`row` counts products from 1. Texts are as written, without the blanks around them.

    `prompt`, `seed` and `size` are optional, "" when not given. `fault` says what is wrong with the whole
    row.
    """

    row: int
    id: str
    description: str
    prompt: str = ""
    seed: str = ""
    size: str = ""
    fault: str = ""

    @property
    def text(self) -> str:
        """What the picture is made from."""
        return self.prompt or self.description

    def request(self, model: str, recipe: Recipe | None = None) -> ImageRequest:
        """The picture this row asks for, finished by `recipe` (the default one unless given).

        The row's own size goes before the recipe's. A row without a seed gets one from its id and text, so
        the same catalogue gives the same pictures. Raises InvalidRequest naming the column.
        """
        if self.fault:
            raise InvalidRequest(self.fault, field="row")
        if not self.id:
            raise InvalidRequest("is empty", field="id")
        if not self.text:
            raise InvalidRequest("is empty", field="description")
        width, height = (parse_size(self.size) if self.size else None) or (None, None)
        recipe = recipe if recipe is not None else Recipe()
        if width is not None:
            recipe = replace(recipe, width=None, height=None)
        return ImageRequest(self.text, model, width, height, seed=self._seed(), recipe=recipe)

    def _seed(self) -> int:
        if not self.seed:
            return zlib.crc32(f"{self.id}\n{self.text}".encode())
        if not self.seed.isascii() or not self.seed.isdigit():
            raise InvalidRequest(f"must be a whole number, not {self.seed!r}", field="seed")
        return int(self.seed)
