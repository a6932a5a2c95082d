"""Titles are read from every store's export, and name the item that their last known phrase says."""

from pathlib import Path

import pytest

from training.evaluation.product_titles import name_item, read_titles
from training.vocabulary import ENGLISH_ITEMS


@pytest.mark.parametrize(
    ("title", "items"),
    [
        ("14k Dangling Pendant Earrings", {"earrings"}),
        ("Joust Duffle Bag", {"duffel bag"}),
        ("Freerun Running Shoe", {"sports shoe"}),
        ("Crown Summit Backpack", {"backpack", "rucksack"}),
        ("Allstar Sneakers", {"casual shoe", "sports shoe"}),
        ("SUNGLASSES", {"sunglasses"}),
        ("Wallet with key ring", {"ring"}),
    ],
)
def test_a_title_names_its_item(title: str, items: set[str]) -> None:
    named = name_item(title)
    assert named is not None
    assert named.items == items


@pytest.mark.parametrize("title", ["Grey Fabric Sofa", "Capsule Coffee", "Springs", "", "Tripod"])
def test_other_titles_name_nothing(title: str) -> None:
    assert name_item(title) is None


def test_every_item_is_named_by_its_own_words() -> None:
    for item, (singular, plural) in ENGLISH_ITEMS.items():
        for phrase in (item, *singular, *plural):
            named = name_item(f"Acme {phrase.title()}")
            assert named is not None
            assert item in named.items


def test_titles_are_read_once_whatever_the_column_is_called(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Handle,Title\ncap,Red Cap\ncap,\ncap,Red Cap\n")
    (tmp_path / "b.csv").write_text("name   ,price\nBelt   ,3\n  ,4\n")
    (tmp_path / "c.csv").write_text('ID,Name\n1,"Hat, wide"\n')
    assert read_titles(tmp_path) == ["Red Cap", "Belt", "Hat, wide"]


def test_the_sample_exports_name_some_items(shared_data: Path) -> None:
    named = [found.title for title in read_titles(shared_data / "csv") if (found := name_item(title))]
    assert "Voyage Yoga Bag" in named
    assert len(named) > 30
