"""The reader of presets takes what the schema says, and refuses everything else by preset and field."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegen_postprocess import PresetInvalid, load_preset
from imagegen_postprocess.marketplaces.preset import Limit, Preset
from imagegen_postprocess.marketplaces.schema import COMPARISONS, FORMATS, MEASURES, POLICIES, read_preset

SOURCES = st.lists(
    st.sampled_from(["https://example.com/a", "https://example.org/b?c=d"]), min_size=1, max_size=2
)
BOUNDS: dict[str, st.SearchStrategy[Any]] = {
    "number": st.one_of(st.integers(0, 10**12), st.floats(0, 1e12)),
    "flag": st.booleans(),
    "colour": st.from_regex(r"#[0-9a-f]{6}", fullmatch=True),
    "policy": st.sampled_from(POLICIES),
    "pattern": st.sampled_from([r"[a-z]+\.jpg", r".*[0-9]{14}.*"]),
    "formats": st.lists(st.sampled_from(FORMATS), min_size=1, unique=True).map(tuple),
    "colour_spaces": st.just(("sRGB",)),
    "source_types": st.just(("trainedAlgorithmicMedia",)),
}


@st.composite
def limits(draw: st.DrawFn) -> Limit:
    measure = draw(st.sampled_from(list(MEASURES)))
    kind = MEASURES[measure]
    confidence = draw(st.sampled_from(["A", "B", "C", "own"]))
    return Limit(
        measure,
        draw(st.sampled_from(COMPARISONS[kind])),
        draw(BOUNDS[kind]),
        "advised" if confidence == "own" else draw(st.sampled_from(["required", "advised"])),
        confidence,  # type: ignore[arg-type]
        () if confidence == "own" else tuple(draw(SOURCES)),
        draw(st.sampled_from(["", "a note"])),
    )


@st.composite
def presets(draw: st.DrawFn) -> Preset:
    format, suffix = draw(st.sampled_from([("jpeg", ".MAIN.jpg"), ("jpeg", ".jpg"), ("png", ".png")]))
    return Preset(
        name="drawn",
        title=draw(st.sampled_from(["Drawn", "Praça Aberta"])),
        checked=draw(st.dates()).isoformat(),
        width=draw(st.integers(16, 8192)),
        height=draw(st.integers(16, 8192)),
        background=draw(st.sampled_from(["white", "#fafafa"])),
        fill=draw(st.floats(0.1, 1.0)),
        format=format,
        stem=draw(st.sampled_from(["any", "ascii", "gtin14"])),
        suffix=suffix,
        limits=tuple(draw(st.lists(limits(), min_size=1, max_size=5))),
    )


ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=3), st.just([])), max_size=2),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inner:
        yield (*path, key)
        yield from places(entry, (*path, key))


@settings(deadline=None, max_examples=50)
@given(presets())
def test_a_preset_survives_json(preset: Preset) -> None:
    assert read_preset(json.loads(json.dumps(preset.to_dict())), "drawn") == preset


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_whatever_stands_anywhere_is_read_or_refused_by_name(data: st.DataObject) -> None:
    values = load_preset(data.draw(st.sampled_from(["amazon", "zalando", "google"]))).to_dict()
    *parents, last = data.draw(st.sampled_from(list(places(values))))
    target: Any = values
    for key in parents:
        target = target[key]
    target[last] = data.draw(ODD)
    refusal: PresetInvalid | None = None
    try:
        preset = read_preset(values, "odd")
    except PresetInvalid as error:
        refusal = error
    if refusal is None:
        assert read_preset(preset.to_dict(), "odd") == preset
    else:
        assert "'odd'" in refusal.message
        assert refusal.field


@pytest.mark.parametrize(
    "path", [path for path in places(load_preset("ebay").to_dict()) if path[-1] != "note"]
)
def test_nothing_may_be_missing_or_misspelt(path: tuple[Any, ...]) -> None:
    if isinstance(path[-1], int):
        return  # an entry of a list
    for change in ("missing", "misspelt"):
        values: Any = copy.deepcopy(load_preset("ebay").to_dict())
        target = values
        for key in path[:-1]:
            target = target[key]
        value = target.pop(path[-1])
        if change == "misspelt":
            target[f"{path[-1]}_"] = value
        with pytest.raises(PresetInvalid, match="'ebay'"):
            read_preset(values, "ebay")


@pytest.mark.parametrize("value", [None, [], "amazon", 3])
def test_what_is_no_object_is_refused(value: Any) -> None:
    with pytest.raises(PresetInvalid):
        read_preset(value, "odd")


def _limit(**changes: Any) -> dict[str, Any]:
    plain = {
        "measure": "bytes",
        "at_most": 100,
        "level": "required",
        "confidence": "A",
        "sources": ["https://example.com/a"],
    }
    return {key: value for key, value in (plain | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("limit", "field"),
    [
        (_limit(measure="weight"), "measure"),
        (_limit(at_most=-1), "at_most"),
        (_limit(at_most=True), "at_most"),
        (_limit(at_most="100"), "at_most"),
        (_limit(at_least=1), "bytes"),
        (_limit(at_most=None), "bytes"),
        (_limit(at_most=None, one_of=["jpeg"]), "bytes"),
        (_limit(measure="background", at_most=None, equals="white"), "equals"),
        (_limit(measure="file_name", at_most=None, matches="[a"), "matches"),
        (_limit(measure="format", at_most=None, one_of=[]), "one_of"),
        (_limit(measure="format", at_most=None, one_of=["jpeg", "jpeg"]), "one_of"),
        (_limit(measure="format", at_most=None, one_of=["jpg"]), "one_of"),
        (_limit(sources=[]), "sources"),
        (_limit(sources=["http://example.com/a"]), "sources"),
        (_limit(confidence="own"), "sources"),
        (_limit(confidence="own", sources=[]), "level"),
        (_limit(confidence="D"), "confidence"),
        (_limit(level="wished"), "level"),
        (_limit(note=""), "note"),
    ],
)
def test_a_bad_limit_is_refused_by_name(limit: dict[str, Any], field: str) -> None:
    values = load_preset("ebay").to_dict() | {"limits": [limit]}
    with pytest.raises(PresetInvalid) as refusal:
        read_preset(values, "odd")
    assert refusal.value.field == f"limits[0].{field}"
