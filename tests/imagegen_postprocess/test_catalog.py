"""The presets that come with imagegen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import imagegen_postprocess
from imagegen_postprocess import RecipeInvalid, load_preset, preset_names

MARKETPLACES = (
    "amazon americanas ebay etsy google magalu mercadolivre meta "
    "nuvemshop shopee shopify tiktok vtex walmart zalando"
)


def test_the_marketplaces() -> None:
    assert " ".join(preset_names()) == MARKETPLACES
    folder = Path(imagegen_postprocess.__file__).parent / "marketplaces"
    assert sorted(file.stem for file in folder.glob("*.json")) == list(preset_names())


@pytest.mark.parametrize("name", ["amazn", "AMAZON", "", "../amazon", "amazon.json"])
def test_an_unknown_one_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(RecipeInvalid) as refusal:
        load_preset(name)
    assert refusal.value.field == "preset"
    assert refusal.value.hint == "There are " + MARKETPLACES.replace(" ", ", ")


@pytest.mark.parametrize("name", MARKETPLACES.split())
def test_a_preset_keeps_its_own_numeric_limits(name: str) -> None:
    preset = load_preset(name)
    longer, shorter = max(preset.width, preset.height), min(preset.width, preset.height)
    own = {
        "width": preset.width,
        "height": preset.height,
        "longer_side": longer,
        "shorter_side": shorter,
        "width_plus_height": preset.width + preset.height,
        "pixels": preset.width * preset.height,
        "aspect": preset.width / preset.height,
        "fill": preset.fill,
    }
    for limit in preset.limits:
        if limit.measure in own and isinstance(limit.bound, (int, float)):
            value = own[limit.measure]
            assert limit.comparison != "at_least" or value >= limit.bound, limit
            assert limit.comparison != "at_most" or value <= limit.bound, limit
            assert limit.comparison != "equals" or value == limit.bound, limit
        elif limit.measure == "format":
            assert preset.format in preset.formats
    assert {limit.measure for limit in preset.limits} >= {"format", "colour_space", "animated"}


@pytest.mark.parametrize(
    ("preset", "stem", "format", "name"),
    [
        ("amazon", "B00ABC1234", "jpeg", ("B00ABC1234", ".MAIN.jpg")),
        ("amazon", "B00ABC1234", "png", ("B00ABC1234", ".MAIN.png")),
        ("vtex", "Sofá_2 lugares.v1", "jpeg", ("Sof-2-lugares-v1", ".jpg")),
        ("vtex", "袋", "jpeg", ("product", ".jpg")),
        ("walmart", "7891234567895", "jpeg", ("07891234567895", ".jpg")),
        ("walmart", "shoe", "jpeg", ("shoe", ".jpg")),
        ("shopify", "a bag", "webp", ("a bag", ".webp")),
    ],
)
def test_file_names(preset: str, stem: str, format: str, name: tuple[str, str]) -> None:
    chosen = load_preset(preset)
    assert chosen.file_name(stem, format) == name
    for limit in chosen.limits:
        if limit.measure == "file_name":
            fits = re.fullmatch(str(limit.bound), "".join(name)) is not None
            assert fits == (stem != "shoe")


def test_a_transparent_picture_gets_a_format_that_can_hold_it() -> None:
    assert load_preset("shopify").format_for("transparent") == "png"
    assert load_preset("shopify").format_for("white") == "jpeg"
    with pytest.raises(RecipeInvalid) as refusal:
        load_preset("zalando").format_for("transparent")
    assert refusal.value.field == "background"


def test_what_is_said_of_generated_pictures_has_a_note_and_a_source() -> None:
    rules = {name: load_preset(name).of_generated for name in preset_names()}
    assert {name: rule.bound for name, rule in rules.items() if rule is not None} == {
        "amazon": "restricted",
        "etsy": "forbidden",
        "tiktok": "labelled",
    }
    assert all(rule.note and rule.sources for rule in rules.values() if rule is not None)
