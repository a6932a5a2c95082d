"""A look at a batch before anything runs: the first prompts, and what the whole file would come to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagegen.batch.plan import BatchOptions, Plan, PlannedPicture


@dataclass(frozen=True, slots=True)
class Preview:
    """`pictures` are the first ones; `total`, `failed` (cannot be made) and `warned` (damaged texts) count
    all."""

    dialect: str
    template: str
    encoding: str | None
    delimiter: str
    columns: dict[str, str]
    pictures: tuple[PlannedPicture, ...]
    total: int
    failed: int
    warned: int

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "dialect": self.dialect,
            "template": self.template,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "columns": self.columns,
            "total": self.total,
            "failed": self.failed,
            "warned": self.warned,
            "pictures": [_entry(picture) for picture in self.pictures],
        }


def preview(csv: Path, options: BatchOptions, n: int, *, model: str = "starter") -> Preview:
    """Plans the whole file and keeps its first `n` pictures. Raises InputFileInvalid and InvalidRequest."""
    plan = Plan(csv, options, model)
    first: list[PlannedPicture] = []
    total = failed = warned = 0
    for picture in plan.pictures():
        total += 1
        failed += picture.error is not None
        warned += bool(picture.warnings)
        if len(first) < n:
            first.append(picture)
    catalogue = plan.catalogue
    columns = {field: catalogue.header[place].strip() for field, place in catalogue.columns.items()}
    return Preview(
        catalogue.dialect.name,
        plan.template.text,
        catalogue.encoding,
        catalogue.delimiter,
        columns,
        tuple(first),
        total,
        failed,
        warned,
    )


def _entry(picture: PlannedPicture) -> dict[str, Any]:
    product = picture.product
    return {
        "row": product.row,
        "line": product.line,
        "id": product.id,
        "sku": product.sku,
        "color": picture.color,
        "number": picture.number,
        "prompt": picture.prompt,
        "seed": None if picture.request is None else picture.request.seed,
        "files": [{"preset": file.preset, "file": file.name} for file in picture.files],
        "warnings": list(picture.warnings),
        "error": picture.error,
    }
