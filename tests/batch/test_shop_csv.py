"""The shop's CSV: every cell as it was, and the pictures where its import looks for them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegen.batch.catalogue import open_catalogue
from imagegen.batch.shop_csv import write_shop_csv
from tests.batch.catalogues import WRITERS, Rows, Thing, text_of

THINGS = [
    Thing("bag", "Bag", "red", colors=("Red", "Blue"), images=("old.jpg",)),
    Thing("hat", "Hat", "a hat"),
    Thing("tie", "Tie", "a tie", images=("t1.jpg", "t2.jpg")),
]
Made = list[tuple[str, str, str]]  # id, colour, file


def shop(folder: Path, rows: Rows, made: Made, prefix: str | None = None) -> list[dict[str, str]]:
    (folder / "in.csv").write_text(text_of(rows), encoding="utf-8")
    catalogue = open_catalogue(folder / "in.csv")
    row_of = {product.id: product.row for product in catalogue.products()}
    entries = [
        {"row": row_of[id], "status": "completed", "preset": None, "file": file, "color": color}
        for id, color, file in made
    ]
    entries.append({"row": 10**6, "status": "failed", "preset": None, "file": None, "color": ""})
    (folder / "m.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    if write_shop_csv(catalogue, folder / "m.jsonl", folder / "out.csv", prefix=prefix) is None:
        return []
    with (folder / "out.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


PLAIN: Made = [("bag", "", "bag.png"), ("bag", "", "bag-2.png"), ("hat", "", "hat.png")]
COLORS: Made = [("bag", "Red", "bag-Red.png"), ("bag", "Blue", "bag-Blue.png"), ("hat", "", "hat.png")]


@pytest.mark.parametrize("dialect", ["shopify", "shopify-legacy"])
def test_shopify_gets_a_row_for_each_picture_and_a_cell_for_each_variant(
    tmp_path: Path, dialect: str
) -> None:
    rows = WRITERS[dialect](THINGS)
    header = rows[0]
    handle, image = header.index("URL handle" if dialect == "shopify" else "Handle"), header[-3]
    made = shop(tmp_path, rows, COLORS, "https://cdn.example/f/")
    found = [
        (
            row[header[handle]],
            row[image],
            row["Image position" if dialect == "shopify" else "Image Position"],
            row[header[-1]],
        )
        for row in made
    ]
    cdn = "https://cdn.example/f/"
    assert found == [
        ("bag", "old.jpg", "1", cdn + "bag-Red.png"),
        ("bag", cdn + "bag-Red.png", "2", cdn + "bag-Blue.png"),
        ("bag", cdn + "bag-Blue.png", "3", ""),
        ("hat", cdn + "hat.png", "1", ""),
        ("tie", "t1.jpg", "1", ""),
        ("tie", "t2.jpg", "2", ""),
    ]


def test_woocommerce_gets_lists_and_its_variations_their_own(tmp_path: Path) -> None:
    made = shop(tmp_path, WRITERS["woocommerce"](THINGS), COLORS)
    assert [(row["Name"], row["Images"]) for row in made] == [
        ("Bag", "old.jpg, bag-Red.png, bag-Blue.png"),
        ("Hat", "hat.png"),
        ("Tie", "t1.jpg, t2.jpg"),
        ("Bag - Red", "bag-Red.png"),
        ("Bag - Blue", "bag-Blue.png"),
    ]


def test_a_feed_gets_a_picture_for_each_item(tmp_path: Path) -> None:
    rows = WRITERS["feed"](THINGS)
    rows[0].append("additional_image_link")
    made = shop(tmp_path, [row + [""] * (9 - len(row)) for row in rows], COLORS)
    assert [(row["id"], row["image_link"], row["additional_image_link"]) for row in made] == [
        ("bag/0", "old.jpg", "bag-Red.png"),
        ("bag/1", "old.jpg", "bag-Blue.png"),
        ("hat/0", "hat.png", ""),
        ("tie/0", "t1.jpg", ""),
    ]


def test_magento_and_vendure(tmp_path: Path) -> None:
    made = {row["sku"]: row for row in shop(tmp_path, WRITERS["magento"](THINGS), PLAIN)}
    assert (made["bag"]["base_image"], made["bag"]["additional_images"]) == ("old.jpg", "bag.png,bag-2.png")
    assert made["bag-0"]["base_image"] == ""
    first, second, hat, _ = shop(tmp_path, WRITERS["vendure"](THINGS), COLORS)
    assert first["assets"] == "old.jpg|bag-Red.png|bag-Blue.png"
    assert (first["variantAssets"], second["variantAssets"]) == ("bag-Red.png", "bag-Blue.png")
    assert hat["assets"] == "hat.png"


def test_no_column_for_pictures_no_file(tmp_path: Path) -> None:
    assert shop(tmp_path, WRITERS["nuvemshop"](THINGS), PLAIN) == []
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("dialect", [name for name in WRITERS if name != "nuvemshop"])
@settings(deadline=None, max_examples=8)  # a loaded machine is no failure
@given(
    texts=st.lists(
        st.text(
            st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cc"])
            | st.sampled_from('\n",')
        ),
        min_size=1,
        max_size=4,
    )
)
def test_without_pictures_everything_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, dialect: str, texts: list[str]
) -> None:
    rows = WRITERS[dialect]([Thing(f"k{n}", f"t{text}", text, text) for n, text in enumerate(texts)])
    made = shop(tmp_path_factory.mktemp("shop"), rows, [])
    assert [list(row.values()) for row in made] == rows[1:]
