"""Titles that sellers wrote, and which item of ours each one names.

The last phrase of the item vocabulary in a title is its head noun ("Dangling Pendant Earrings" are
earrings). A word that several items go by ("sneakers", "backpack", "bag") names all of them: any is right.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from training.vocabulary import ENGLISH_ITEMS

TITLE_COLUMNS = ("title", "name")
# What sellers say for items that the training captions call by other words only.
SYNONYMS = {
    "duffle": "duffel bag",
    "duffle bag": "duffel bag",
    "tote": "handbag",
    "high tops": "casual shoe",
}


@dataclass(frozen=True)
class NamedTitle:
    """A title as written, the phrase in it that names an item, and the items that go by that phrase."""

    title: str
    phrase: str
    items: frozenset[str]


def read_titles(folder: Path) -> list[str]:
    """The different titles in a folder of CSVs (Shopify, WooCommerce, Magento, Vendure), in order."""
    titles: dict[str, None] = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            column = next(name for name in reader.fieldnames or () if name.strip().lower() in TITLE_COLUMNS)
            titles |= dict.fromkeys(title for row in reader if (title := (row[column] or "").strip()))
    return list(titles)


def catalogue_titles(parquets: list[Path]) -> dict[str, str]:
    """The retailer's titles by photo id, brand names and all: for asking only, training never reads them."""
    import pyarrow.parquet as pq

    titles: dict[str, str] = {}
    for parquet in parquets:
        table = pq.read_table(parquet, columns=["id", "title"]).to_pydict()
        titles |= dict(zip(table["id"], table["title"], strict=True))
    return titles


def name_item(title: str) -> NamedTitle | None:
    """What a title names; None where it has no word of the vocabulary as a whole word."""
    found: tuple[int, int, str] | None = None
    for phrase in PHRASES:
        for match in re.finditer(rf"(?<!\w){re.escape(phrase)}(?!\w)", title.lower()):
            # The one that ends last; of those, the longest.
            candidate = (match.end(), len(phrase), phrase)
            found = candidate if found is None else max(found, candidate)
    return None if found is None else NamedTitle(title, found[2], PHRASES[found[2]])


def _phrases() -> dict[str, frozenset[str]]:
    items: dict[str, set[str]] = {}
    for item, (singular, plural) in ENGLISH_ITEMS.items():
        for phrase in (item, *singular, *plural):
            items.setdefault(phrase, set()).add(item)
    for phrase, item in SYNONYMS.items():
        items.setdefault(phrase, set()).add(item)
    # Any bag is a bag, though captions say so of handbags only.
    items["bag"] |= {
        item for item in ENGLISH_ITEMS if item.endswith(" bag") or item in ("backpack", "rucksack")
    }
    return {phrase: frozenset(names) for phrase, names in items.items()}


PHRASES = _phrases()
