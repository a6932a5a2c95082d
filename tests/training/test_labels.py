"""A colour word stays where one sees it, gives way where one sees another, and goes where one cannot tell."""

import pytest

from training.labels import checked


@pytest.mark.parametrize(
    ("label", "measured", "colour"),
    [
        ("navy blue", "blue", "navy blue"),
        ("black", "black", "black"),
        ("navy blue", "black", "black"),
        ("grey", "brown", "brown"),
        ("red", "", ""),
        ("silver", "white", "silver"),
        ("multi", "", "multi"),
        ("", "red", ""),
    ],
)
def test_checked(label: str, measured: str, colour: str) -> None:
    attributes = {"item": "cap", "colour": label, "measured": measured}
    assert checked(attributes) == {"item": "cap", "colour": colour, "measured": measured}
    assert attributes["colour"] == label
