"""The checker: every limit of a preset, measured on a file.

What cannot be measured honestly is "unknown" and never passes for "pass": no program sees whether a text is
printed on the product or laid over it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import Any, Literal

from PIL import Image

from imagegen_postprocess.marketplaces.look import Look, look_at, share_of_ring
from imagegen_postprocess.marketplaces.preset import Limit, Preset
from imagegen_postprocess.marketplaces.schema import SOURCE_TYPES
from imagegen_postprocess.provenance.file_facts import FileFacts, read_file

Status = Literal["pass", "warn", "fail", "unknown"]
Value = float | bool | str | None

RING_SHARE = 0.99  # of the ring that must have the background's exact colour
GUESSES = ("overlays", "border", "generated")  # measured by signs, or judged by people: a warning at most

_NAMES = {"jpeg": {"jpg", "jpeg"}, "tiff": {"tif", "tiff"}, "heic": {"heic", "heif"}}
_FIXES = {
    "format": "save it as {bound}",
    "extension": "give the file the suffix of its format",
    "file_name": "rename it",
    "bytes": "save it with a lower quality or fewer pixels",
    "aspect": "place the product on a canvas of the right shape",
    "background": "cut the product out onto {bound}",
    "fill": "scale the product on its canvas",
    "colour_space": "convert it to sRGB",
    "animated": "save one frame",
    "jpeg_quality": "save it again from the original with a higher quality",
    "border": "crop the border away",
    "overlays": "look at it: nothing may stand beside or over the product",
    "source_type": "write the digital source type into its XMP",
    "generated": "read the marketplace's rule before you upload it",
}
_SIZES = "use a larger original or another canvas"


@dataclass(frozen=True)
class Finding:
    """One limit and what the file makes of it.

    status: "fail" (a required limit is broken), "warn" (an advised one, or a sign of it), "unknown" (not to
    be measured here) or "pass". value: as measured. note: what a person should know. fix: what to do about
    it; empty for what passes.
    """

    limit: Limit
    status: Status
    value: Value
    note: str
    fix: str

    @property
    def shown(self) -> str:
        """The value in words."""
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        if self.value is None:
            return "-"
        return self.value if isinstance(self.value, str) else f"{self.value:,}"

    def to_dict(self) -> dict[str, Any]:
        limit = self.limit.to_dict()
        note = self.note or limit.pop("note", "")
        return {"status": self.status, "value": self.value, "fix": self.fix, **limit, "note": note}


@dataclass(frozen=True)
class CheckReport:
    """A file held against a preset. passed: no required limit is broken."""

    preset: Preset
    facts: FileFacts
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        return not self.having("fail")

    @property
    def verdict(self) -> Literal["pass", "fail"]:
        return "pass" if self.passed else "fail"

    def having(self, status: Status) -> tuple[Finding, ...]:
        """The findings of one status."""
        return tuple(finding for finding in self.findings if finding.status == status)

    def to_dict(self) -> dict[str, Any]:
        return {
            "preset": self.preset.name,
            "checked": self.preset.checked,
            "verdict": self.verdict,
            "file": self.facts.to_dict(),
            "findings": [finding.to_dict() for finding in self.findings],
        }


def check(data: bytes, preset: Preset, name: str) -> CheckReport:
    """Hold a picture file against every limit of a preset.

    data: the file's bytes. name: its name, which some marketplaces read. Raises PictureInvalid for what is no
    picture.
    """
    picture, facts = read_file(data, name)
    evidence = _Evidence(picture, facts)
    return CheckReport(preset, facts, tuple(_finding(limit, evidence) for limit in preset.limits))


class _Evidence:
    """The file's facts, and its looks once somebody asks."""

    def __init__(self, picture: Image.Image, facts: FileFacts) -> None:
        self.picture = picture
        self.facts = facts

    @cached_property
    def look(self) -> Look:
        return look_at(self.picture)


@dataclass(frozen=True)
class _Reading:
    """value: what was measured. holds: whether the limit does; None when that cannot be said."""

    value: Value
    holds: bool | None
    note: str = ""


def _finding(limit: Limit, evidence: _Evidence) -> Finding:
    reading = _read(limit, evidence)
    status: Status = "pass"
    if reading.holds is None:
        status = "unknown"
    elif not reading.holds:
        status = "fail" if limit.level == "required" and limit.measure not in GUESSES else "warn"
    fix = "" if status in ("pass", "unknown") else _FIXES.get(limit.measure, _SIZES).format(bound=limit.text)
    return Finding(limit, status, reading.value, reading.note, fix)


def _read(limit: Limit, evidence: _Evidence) -> _Reading:
    facts, measure = evidence.facts, limit.measure
    if measure in _SPECIAL:
        return _SPECIAL[measure](limit, evidence)
    values: dict[str, Value] = {
        "format": facts.format,
        "file_name": facts.name,
        "bytes": facts.bytes,
        "width": facts.width,
        "height": facts.height,
        "longer_side": max(facts.width, facts.height),
        "shorter_side": min(facts.width, facts.height),
        "width_plus_height": facts.width + facts.height,
        "pixels": facts.width * facts.height,
        "aspect": round(facts.width / facts.height, 6),
        "colour_space": facts.colour_space,
        "animated": facts.frames > 1,
        "jpeg_quality": facts.jpeg_quality,
    }
    value = values[measure]
    if value is None:
        return _Reading(None, True, "does not apply to this format")
    return _Reading(value, _holds(limit, value))


def _holds(limit: Limit, value: float | str) -> bool:
    bound = limit.bound
    if limit.comparison == "matches":
        return re.fullmatch(str(bound), str(value)) is not None
    if isinstance(bound, tuple):
        return value in bound
    if isinstance(value, str) or isinstance(bound, str) or limit.comparison == "equals":
        return value == bound
    return value >= bound if limit.comparison == "at_least" else value <= bound


def _extension(limit: Limit, evidence: _Evidence) -> _Reading:
    suffix = PurePath(evidence.facts.name).suffix.lower().removeprefix(".")
    fits = suffix in _NAMES.get(evidence.facts.format, {evidence.facts.format})
    return _Reading(
        fits, fits == limit.bound, f"a {evidence.facts.format} named {suffix or 'without a suffix'}"
    )


def _colour_space(limit: Limit, evidence: _Evidence) -> _Reading:
    space = evidence.facts.colour_space
    if space == "untagged":
        return _Reading(space, True, "no profile is embedded; it is shown as sRGB")
    return _Reading(space, _holds(limit, space))


def _background(limit: Limit, evidence: _Evidence) -> _Reading:
    text = str(limit.bound)
    colour = int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
    share = share_of_ring(evidence.picture, colour)
    backdrop = evidence.look.backdrop
    seen = "transparent" if backdrop is None else "#{:02x}{:02x}{:02x}".format(*backdrop)
    note = f"{share:.1%} of the frame's outermost hundredth is {text}"
    return _Reading(seen if share < RING_SHARE else text, share >= RING_SHARE, note)


def _fill(limit: Limit, evidence: _Evidence) -> _Reading:
    if not evidence.look.plain or evidence.look.fill is None:
        return _Reading(None, None, "the background is not plain, so where the product ends is not known")
    value = round(evidence.look.fill, 4)
    return _Reading(value, _holds(limit, value), "longest side of the product's box / side of the frame")


def _overlays(limit: Limit, evidence: _Evidence) -> _Reading:
    look = evidence.look
    if look.parts is None:
        return _Reading(None, None, "the background is not plain: not looked for")
    if look.panels:
        note = f"{look.panels} even patches as a bar or badge has them (medium confidence)"
        return _Reading(look.parts, False, note)
    if look.parts > 1:
        note = (
            f"{look.parts} things stand apart: a text, a logo, or a product of several parts (low confidence)"
        )
        return _Reading(look.parts, False, note)
    return _Reading(
        look.parts, None, "nothing stands beside the product; what lies over it was not looked for"
    )


def _border(limit: Limit, evidence: _Evidence) -> _Reading:
    found = evidence.look.border
    return _Reading(
        found, found == limit.bound, "a line around the picture (low confidence)" if found else ""
    )


def _source_type(limit: Limit, evidence: _Evidence) -> _Reading:
    found = evidence.facts.source_type
    if found is None:
        return _Reading(None, None, "the file has none: right for a photo, wrong for a generated picture")
    return _Reading(found, found not in SOURCE_TYPES or _holds(limit, found))


def _generated(limit: Limit, evidence: _Evidence) -> _Reading:
    found = evidence.facts.source_type
    if found is None:
        return _Reading(None, None, "the file does not say how it was made")
    generated = found in SOURCE_TYPES
    return _Reading(
        generated, not generated, f"generated pictures are {limit.bound} here" if generated else ""
    )


_SPECIAL = {
    "extension": _extension,
    "colour_space": _colour_space,
    "background": _background,
    "fill": _fill,
    "overlays": _overlays,
    "border": _border,
    "source_type": _source_type,
    "generated": _generated,
}
