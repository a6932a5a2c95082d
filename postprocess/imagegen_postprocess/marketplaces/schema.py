"""The schema of a preset's file: what a limit can be about, and a reader that refuses all else by name.

A misspelt key that was ignored would be a limit that nobody checks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, NoReturn, cast, get_args

from imagegen_postprocess.errors import FinishingError, PresetInvalid
from imagegen_postprocess.marketplaces.preset import (
    SUFFIXES,
    Bound,
    Comparison,
    Confidence,
    Level,
    Limit,
    Preset,
)
from imagegen_postprocess.recipe import Recipe

VERSION = 1
FORMATS = ("jpeg", "png", "webp", "gif", "tiff", "bmp", "heic", "avif")
STEMS = ("any", "ascii", "gtin14")
POLICIES = ("forbidden", "restricted", "labelled")
SOURCE_TYPES = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia")

COMPARISONS: dict[str, tuple[Comparison, ...]] = {
    "number": ("at_least", "at_most", "equals"),
    "flag": ("equals",),
    "colour": ("equals",),
    "policy": ("equals",),
    "pattern": ("matches",),
    "formats": ("one_of",),
    "colour_spaces": ("one_of",),
    "source_types": ("one_of",),
}
"""Kind of bound -> the comparisons it takes."""

MEASURES: dict[str, str] = {
    "format": "formats",
    "extension": "flag",  # true: the file name's suffix says the format
    "file_name": "pattern",  # a regular expression for the whole name
    "bytes": "number",
    "width": "number",  # pixels, like the three below
    "height": "number",
    "longer_side": "number",
    "shorter_side": "number",
    "width_plus_height": "number",
    "pixels": "number",  # width * height
    "aspect": "number",  # width / height
    "background": "colour",
    "fill": "number",  # longest side of the product's box / side of the frame, 0..1
    "colour_space": "colour_spaces",
    "animated": "flag",
    "jpeg_quality": "number",  # 1..100, as libjpeg counts
    "border": "flag",
    "overlays": "flag",  # text, logos or watermarks over or beside the product
    "source_type": "source_types",  # the IPTC digital source type that a generated picture carries
    "generated": "policy",  # what the marketplace says of generated pictures
}
"""What a limit can be about -> the kind of its bound."""


def read_preset(values: object, name: str) -> Preset:
    """The preset `name` from its file's content. Raises PresetInvalid naming the preset and the field."""
    reader = _Reader(name)
    top = reader.members(values, "", ("schema", "title", "checked", "finish", "file_name", "limits"))
    if type(top["schema"]) is not int or top["schema"] != VERSION:
        reader.refuse("schema", f"is {top['schema']!r}, and only {VERSION} is known")
    finish = reader.members(top["finish"], "finish.", ("width", "height", "background", "fill", "format"))
    naming = reader.members(top["file_name"], "file_name.", ("stem", "suffix"))
    format = reader.choice(finish.pop("format"), "finish.format", tuple(SUFFIXES))
    suffix = reader.text(naming["suffix"], "file_name.suffix")
    if not re.fullmatch(r"(\.[A-Za-z0-9]+)*" + re.escape(SUFFIXES[format]), suffix):
        reader.refuse("file_name.suffix", f"is {suffix!r}; it must end in {SUFFIXES[format]}")
    try:
        recipe = Recipe(**finish)
    except FinishingError as error:
        reader.refuse(f"finish.{error.field}", error.message)
    if recipe.width is None or recipe.height is None:
        reader.refuse("finish.width", "is missing")
    limits = top["limits"]
    if not isinstance(limits, list) or not limits:
        reader.refuse("limits", "must be a list of limits")
    return Preset(
        name=name,
        title=reader.text(top["title"], "title"),
        checked=reader.day(top["checked"], "checked"),
        width=recipe.width,
        height=recipe.height,
        background=recipe.background,
        fill=recipe.fill,
        format=format,
        stem=reader.choice(naming["stem"], "file_name.stem", STEMS),
        suffix=suffix,
        limits=tuple(reader.limit(limit, f"limits[{place}].") for place, limit in enumerate(limits)),
    )


class _Reader:
    """Reads values of one preset's file; every refusal names the preset and the field."""

    def __init__(self, name: str) -> None:
        self._name = name

    def refuse(self, field: str, reason: str) -> NoReturn:
        raise PresetInvalid(f"preset {self._name!r}: {field} {reason}", field=field)

    def members(
        self, values: object, path: str, needed: tuple[str, ...], optional: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        if not isinstance(values, Mapping):
            self.refuse(path.rstrip(".") or "the file", f"must be an object, not {type(values).__name__}")
        for key in needed:
            if key not in values:
                self.refuse(f"{path}{key}", "is missing")
        for key in values:
            if key not in needed + optional:
                self.refuse(f"{path}{key}", f"is unknown; known are {', '.join(needed + optional)}")
        return dict(values)

    def text(self, value: object, field: str) -> str:
        if not isinstance(value, str) or not value.strip():
            self.refuse(field, f"must be a text, not {value!r}")
        return value

    def choice(self, value: object, field: str, among: tuple[str, ...]) -> str:
        if not isinstance(value, str) or value not in among:
            self.refuse(field, f"is {value!r}; use one of {', '.join(among)}")
        return value

    def day(self, value: object, field: str) -> str:
        text = self.text(value, field)
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            self.refuse(field, f"is {value!r}; write a date like 2026-11-21")

    def limit(self, values: object, path: str) -> Limit:
        bounds = get_args(Comparison)
        found = self.members(values, path, ("measure", "level", "confidence", "sources"), ("note", *bounds))
        measure = self.choice(found["measure"], f"{path}measure", tuple(MEASURES))
        kind = MEASURES[measure]
        given = [key for key in bounds if key in found]
        if len(given) != 1 or given[0] not in COMPARISONS[kind]:
            self.refuse(f"{path}{measure}", f"needs exactly one of {', '.join(COMPARISONS[kind])}")
        sources = found["sources"]
        if not isinstance(sources, list) or not all(
            isinstance(source, str) and re.fullmatch(r"https://[^\s/]+\.[^\s]+", source) for source in sources
        ):
            self.refuse(f"{path}sources", "must be a list of https addresses")
        level = self.choice(found["level"], f"{path}level", get_args(Level))
        confidence = self.choice(found["confidence"], f"{path}confidence", get_args(Confidence))
        if (confidence == "own") == bool(sources):
            self.refuse(f"{path}sources", 'are what every confidence but "own" rests on')
        if confidence == "own" and level == "required":
            self.refuse(f"{path}level", "must be advised where no source requires it")
        return Limit(
            measure=measure,
            comparison=given[0],
            bound=self._bound(found[given[0]], kind, f"{path}{given[0]}"),
            level=cast(Level, level),
            confidence=cast(Confidence, confidence),
            sources=tuple(sources),
            note=self.text(found["note"], f"{path}note") if "note" in found else "",
        )

    def _bound(self, value: object, kind: str, field: str) -> Bound:
        readers: dict[str, Callable[[object, str], Bound]] = {
            "number": self._number,
            "flag": self._flag,
            "colour": self._colour,
            "policy": lambda value, field: self.choice(value, field, POLICIES),
            "pattern": self._pattern,
            "formats": lambda value, field: self._choices(value, field, FORMATS),
            "colour_spaces": lambda value, field: self._choices(value, field, ("sRGB",)),
            "source_types": lambda value, field: self._choices(value, field, SOURCE_TYPES),
        }
        return readers[kind](value, field)

    def _number(self, value: object, field: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            self.refuse(field, f"must be a number from 0, not {value!r}")
        return value

    def _flag(self, value: object, field: str) -> bool:
        if not isinstance(value, bool):
            self.refuse(field, f"must be true or false, not {value!r}")
        return value

    def _colour(self, value: object, field: str) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"#[0-9a-f]{6}", value):
            self.refuse(field, f"is {value!r}; write a colour as #rrggbb in small letters")
        return value

    def _pattern(self, value: object, field: str) -> str:
        text = self.text(value, field)
        try:
            re.compile(text)
        except re.error as error:
            self.refuse(field, f"is no regular expression: {error}")
        return text

    def _choices(self, value: object, field: str, among: tuple[str, ...]) -> tuple[str, ...]:
        if not isinstance(value, list) or not value or len({*map(str, value)}) != len(value):
            self.refuse(field, "must be a list of different values, at least one")
        return tuple(self.choice(entry, field, among) for entry in value)
