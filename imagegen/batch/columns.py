"""`--columns id=SKU,title=Nome`: which column of a file holds what, for headers that no dialect knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from imagegen.batch.dialects import PLAIN, Dialect, fold
from imagegen.batch.dialects.plain import FIELDS, OWN
from imagegen.errors import InvalidRequest

MAPPABLE = (*FIELDS, "group", "image", *OWN)
_PART = re.compile(rf"\s*({'|'.join(MAPPABLE)})\s*=", re.IGNORECASE)
_NEXT = re.compile(rf",(?=\s*(?:{'|'.join(MAPPABLE)})\s*=)", re.IGNORECASE)


def parse_columns(texts: Iterable[str]) -> dict[str, str]:
    """{"id": "SKU", "title": "Nome"} from "id=SKU,title=Nome"; a header may hold commas and equals signs.

    Raises InvalidRequest(field="columns").
    """
    columns: dict[str, str] = {}
    for part in (part for text in texts for part in _NEXT.split(text) if part.strip()):
        match = _PART.match(part)
        header = part[match.end() :].strip() if match else ""
        if match is None or not header:
            raise InvalidRequest(
                f"{part.strip()!r} does not say which column holds what",
                field="columns",
                hint=f"write FIELD=HEADER with commas between; fields: {', '.join(MAPPABLE)}",
            )
        if columns.setdefault(match[1].lower(), header) != header:
            raise InvalidRequest(f"{match[1].lower()} is given twice", field="columns")
    return columns


def locate(columns: Mapping[str, str], header: Sequence[str]) -> dict[str, int]:
    """The position of each mapped header. Raises InvalidRequest(field="columns") where one is missing."""
    names = [fold(name) for name in header]
    for wanted in columns.values():
        if fold(wanted) not in names:
            shown = ", ".join(repr(name.strip()[:40]) for name in header[:20])
            raise InvalidRequest(
                f"the file has no column {wanted!r}", field="columns", hint=f"its header has {shown}"
            )
    return {field: names.index(fold(wanted)) for field, wanted in columns.items()}


def mapped(columns: Mapping[str, str]) -> Dialect:
    """The dialect of a file that only `columns` explains. Raises InvalidRequest(field="columns")."""
    key = tuple(name for name in ("id", "sku") if name in columns)
    if not key or not {"title", "description", "prompt"} & columns.keys():
        raise InvalidRequest(
            "what names a product and what describes it must both be given",
            field="columns",
            hint="id or sku, and title, description or prompt: --columns id=HEADER,title=HEADER",
        )
    template = "{title}, {color}, {material}, {summary}" if "title" in columns else "{description}"
    group = "group" if "group" in columns else None
    return replace(
        PLAIN,
        name="mapped",
        required=(),
        key=(*(["group"] if group else []), *key),
        group=group,
        template=template,
    )
