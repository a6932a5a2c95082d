"""Prompts from columns: "{title}, {color}" for each product, and what a product leaves empty leaves no comma.

A name in braces is one of our fields, cleaned for a picture (see FIELDS), or any header of the file, as it is
written there but without HTML. `{{` and `}}` are braces.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from imagegen.batch.catalogue import Catalogue
from imagegen.batch.clean import plain_text, summary, tidy, without_noise
from imagegen.batch.dialects import fold
from imagegen.batch.product import Product
from imagegen.errors import InvalidRequest

Fill = Callable[[Product, str], str]
"""What stands for a name in braces: the product and the colour of the picture go in, a text comes out."""

WHOLE = 1 << 20  # characters: thirty times what a prompt may have, so what is too long is refused and not cut
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True, slots=True)
class Template:
    """A template that fits a catalogue: every name in it is known."""

    text: str
    parts: tuple[str | Fill, ...]
    has_color: bool

    def fill(self, product: Product, color: str = "") -> str:
        """The prompt of a picture of this product in this colour."""
        filled = [part if isinstance(part, str) else part(product, color) for part in self.parts]
        if len(filled) == 1:
            return filled[0]
        return tidy("".join(filled))


def read_template(text: str, catalogue: Catalogue) -> Template:
    """Raises InvalidRequest(field="template") for names that nobody knows, and for lone braces."""
    parts: list[str | Fill] = []
    names = set()
    end = 0
    for match in _PART.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        if match[0] in ("{{", "}}"):
            parts.append(match[0][0])
        elif match[1] is None:
            raise InvalidRequest(
                f"a brace stands alone in {text!r}",
                field="template",
                hint="write {{ or }} for a brace itself",
            )
        else:
            parts.append(_fill(match[1], catalogue))
            names.add(fold(match[1]))
    parts.append(text[end:])
    parts = [part for part in parts if part != ""]
    if not any(callable(part) for part in parts):
        raise InvalidRequest(
            "every product would get the same prompt",
            field="template",
            hint='name a column in braces: "{title}, {color}"',
        )
    return Template(text, tuple(parts), "color" in names)


def _fill(name: str, catalogue: Catalogue) -> Fill:
    known = fold(name)
    if known in FIELDS:
        return FIELDS[known]
    folded = [fold(header) for header in catalogue.header]
    if known and known in folded:
        place = folded.index(known)
        return lambda product, color: _cell(product, place)
    headers = ", ".join(header.strip() for header in catalogue.header[:30] if header.strip())
    raise InvalidRequest(
        f"{{{name}}} is neither a field nor a column of the file",
        field="template",
        hint=f"fields: {', '.join(FIELDS)}; columns: {headers}",
    )


def _cell(product: Product, place: int) -> str:
    return plain_text(product.cells[place], WHOLE) if place < len(product.cells) else ""


def _title(product: Product, color: str) -> str:
    return without_noise(plain_text(product.title), product.value("brand"))


def _description(product: Product, color: str) -> str:
    return plain_text(product.value("description") or product.value("short_description"), WHOLE)


def _summary(product: Product, color: str) -> str:
    """The short description where there is one, else the first sentences of the long one."""
    text = plain_text(product.value("short_description")) or plain_text(product.value("description"))
    return without_noise(summary(text), product.value("brand"))


def _color(product: Product, color: str) -> str:
    return _list(color)


def _type(product: Product, color: str) -> str:
    """The last step of the first of the product's categories: "Clothing > Shirts, Sale" is Shirts."""
    first = re.split(r",|\n", plain_text(product.value("type").replace("\n", ", ")))[0]
    return re.split(r">|/(?=\s)", first)[-1].strip()


def _listed(field: str) -> Fill:
    return lambda product, color: _list(product.value(field))


def _own(field: str) -> Fill:
    return lambda product, color: plain_text(product.value(field))


def _list(text: str) -> str:
    """Several values of one cell, on lines or between bars, as people list them."""
    return ", ".join(
        part.strip() for part in re.split(r"[\n|]", plain_text(text.replace("\n", "|"))) if part.strip()
    )


FIELDS: dict[str, Fill] = {
    "title": _title,
    "description": _description,
    "summary": _summary,
    "color": _color,
    "material": _listed("material"),
    "pattern": _listed("pattern"),
    "type": _type,
    "tags": _listed("tags"),
    "brand": _own("brand"),
    "sku": _own("sku"),
    "id": lambda product, color: product.id,
}
"""title, description, summary (its first sentences), color, material, pattern, type (category), tags,
brand, sku, id. Title and summary come without the brand's name, sizes, measures, codes and offers."""
