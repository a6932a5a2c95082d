"""A preset: how a picture is finished for a marketplace, and what the marketplace asks of it, with sources.

Standard library only: a preset is chosen in places that never touch a pixel.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from imagegen_postprocess.errors import RecipeInvalid

Comparison = Literal["at_least", "at_most", "equals", "one_of", "matches"]
Level = Literal["required", "advised"]
Confidence = Literal["A", "B", "C", "own"]
Bound = float | bool | str | tuple[str, ...]

CONFIDENCE: dict[Confidence, str] = {
    "A": "the marketplace's own page",
    "B": "a third party",
    "C": "a weak or old source",
    "own": "our own caution; no rule was found",
}
SUFFIXES = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}
"""The formats that are written, with their usual suffixes."""


@dataclass(frozen=True)
class Limit:
    """One rule of a marketplace: a measure (schema.py lists them), a comparison and a bound.

    `level` is "required" (a file that breaks it is refused or taken down) or "advised". `sources` are
    addresses; empty only for the confidence "own". `note` adds what the bound does not say.
    """

    measure: str
    comparison: Comparison
    bound: Bound
    level: Level
    confidence: Confidence
    sources: tuple[str, ...] = ()
    note: str = ""

    @property
    def text(self) -> str:
        """The comparison in words, like "at most 10,485,760"."""
        if isinstance(self.bound, bool):
            return "yes" if self.bound else "no"
        if isinstance(self.bound, tuple):
            return " or ".join(self.bound)
        bound = self.bound if isinstance(self.bound, str) else f"{self.bound:,}"
        return bound if self.comparison == "equals" else f"{self.comparison.replace('_', ' ')} {bound}"

    def to_dict(self) -> dict[str, Any]:
        """The limit as its file has it."""
        return {
            "measure": self.measure,
            self.comparison: list(self.bound) if isinstance(self.bound, tuple) else self.bound,
            "level": self.level,
            "confidence": self.confidence,
            "sources": list(self.sources),
            **({"note": self.note} if self.note else {}),
        }


@dataclass(frozen=True)
class Preset:
    """Everything known of one marketplace's pictures.

    checked: the day, YYYY-MM-DD, on which the sources were read. width, height (pixels), background, fill:
    the recipe's. format: of SUFFIXES. stem: what a file's name may be made of before its suffix: "any",
    "ascii" (letters, digits, hyphens) or "gtin14" (a product number is written with 14 digits). suffix: the
    end of the name.
    """

    name: str
    title: str
    checked: str
    width: int
    height: int
    background: str
    fill: float
    format: str
    stem: str
    suffix: str
    limits: tuple[Limit, ...]

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that the marketplace takes and that are written here, the preset's own first."""
        taken = next((limit.bound for limit in self.limits if limit.measure == "format"), tuple(SUFFIXES))
        assert isinstance(taken, tuple)
        return (self.format, *(name for name in SUFFIXES if name in taken and name != self.format))

    @property
    def max_bytes(self) -> int | None:
        """The largest file that the marketplace takes; None when no limit is known."""
        limits = [limit for limit in self.limits if (limit.measure, limit.comparison) == ("bytes", "at_most")]
        return min(
            (int(limit.bound) for limit in limits if isinstance(limit.bound, (int, float))), default=None
        )

    @property
    def min_quality(self) -> int | None:
        """The least JPEG quality, 1..100, that the marketplace asks for; None when it does not."""
        found = [limit.bound for limit in self.limits if limit.measure == "jpeg_quality"]
        return max((int(bound) for bound in found if isinstance(bound, (int, float))), default=None)

    @property
    def of_generated(self) -> Limit | None:
        """What the marketplace says of generated pictures, if anything."""
        return next((limit for limit in self.limits if limit.measure == "generated"), None)

    def recipe_fields(self) -> dict[str, Any]:
        """What the preset says of a recipe's fields."""
        return {"width": self.width, "height": self.height, "background": self.background, "fill": self.fill}

    def format_for(self, background: str) -> str:
        """The format of a picture on this background; RecipeInvalid when none of them can be transparent."""
        if background != "transparent":
            return self.format
        for name in self.formats:
            if name != "jpeg":
                return name
        raise RecipeInvalid(
            f"{self.name} takes {', '.join(self.formats)} only, which cannot be transparent",
            field="background",
            hint="Leave the background to the preset, or choose a colour",
        )

    def file_name(self, stem: str, format: str) -> tuple[str, str]:
        """Stem and suffix, with its dot, of the file for a product or photo called `stem`."""
        if self.stem == "ascii":
            stem = re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-") or "product"
        elif self.stem == "gtin14" and re.fullmatch(r"[0-9]{8}|[0-9]{12,14}", stem):
            stem = stem.zfill(14)
        return stem, self.suffix.removesuffix(SUFFIXES[self.format]) + SUFFIXES[format]

    def to_dict(self) -> dict[str, Any]:
        """The content of the preset's file; `schema.read_preset` gives an equal preset back."""
        return {
            "schema": 1,
            "title": self.title,
            "checked": self.checked,
            "finish": {**self.recipe_fields(), "format": self.format},
            "file_name": {"stem": self.stem, "suffix": self.suffix},
            "limits": [limit.to_dict() for limit in self.limits],
        }
