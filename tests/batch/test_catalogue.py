"""The reader of catalogues: what a shop's export says comes back, whoever wrote it and how."""

from __future__ import annotations

import csv
import io
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegen.batch.catalogue import open_catalogue
from imagegen.errors import InputFileInvalid, InvalidRequest
from tests.batch.catalogues import WRITERS, Thing, text_of

CELL = st.text(
    st.characters(codec="cp1252", exclude_characters="\x00", exclude_categories=["Cc"])
    | st.sampled_from('\n",;\t'),
    max_size=40,
)
KEY = st.text("abcdefgh-0123", min_size=1, max_size=8).filter(lambda key: key.strip() == key)
WORDS = st.text(
    st.characters(codec="cp1252", exclude_characters="\x00", exclude_categories=["Cc", "Zs"])
    | st.sampled_from(' \n",;\t'),
    min_size=1,
    max_size=30,
).map(lambda text: f"x{text}".strip())
COLOR = st.sampled_from(["Blue", "Azul-marinho", "Rosé", "Black, White", "grün"])
THINGS = st.lists(
    st.builds(
        Thing,
        KEY,
        WORDS,
        WORDS,
        WORDS,
        st.lists(COLOR, max_size=3, unique=True).map(tuple),
        st.lists(st.sampled_from(["a.jpg", "b.jpg"]), max_size=2, unique=True).map(tuple),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda thing: thing.key,
)
NAMES = st.tuples(
    st.sampled_from(["id", "ID", " Id "]), st.sampled_from(["description", "Description", "DESCRIPTION "])
)


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@settings(deadline=None)  # a loaded machine is no failure
@given(
    rows=st.lists(st.tuples(CELL, CELL, CELL), max_size=8),
    names=NAMES,
    delimiter=st.sampled_from(",;\t"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, str]],
    names: tuple[str, str],
    delimiter: str,
    encoding: str,
    line_end: str,
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    writer.writerow([names[0], "price", names[1]])
    writer.writerows(rows)
    file = write(tmp_path_factory.mktemp("csv") / "products.csv", text.getvalue(), encoding)
    table = open_catalogue(file)
    wanted = [(a.strip(), c.strip()) for a, b, c in rows if (a + b + c).strip()]
    assert [(product.id, product.value("description")) for product in table.products()] == wanted
    assert [product.row for product in table.products()] == list(range(1, len(wanted) + 1))
    assert table.count() == len(wanted)
    assert not any(product.fault for product in table.products())


def test_optional_columns_are_found_by_name(tmp_path: Path) -> None:
    file = write(tmp_path / "p.csv", "Size;SEED;description;id;prompt\n64x64;7;A belt;b1;belt, black\n")
    (product,) = open_catalogue(file).products()
    assert product.values == {
        "id": "b1",
        "description": "A belt",
        "prompt": "belt, black",
        "seed": "7",
        "size": "64x64",
    }


def test_short_rows_are_empty_and_long_rows_are_faulty(tmp_path: Path) -> None:
    file = write(tmp_path / "p.csv", "id,description\na\nb,red, soft bag\nc,fine,,\n")
    short, long, padded = open_catalogue(file).products()
    assert (short.id, short.value("description"), short.fault) == ("a", "", "")
    assert "3 cells under 2 headers" in long.fault
    assert padded.fault == ""


def test_blank_lines_do_not_count(tmp_path: Path) -> None:
    file = write(tmp_path / "p.csv", "\n , \nid,description\n\n,\na,bag\n   ,\nb,belt\n")
    assert [(product.row, product.id) for product in open_catalogue(file).products()] == [(1, "a"), (2, "b")]


def test_a_field_above_pythons_own_limit_is_read(tmp_path: Path) -> None:
    file = write(tmp_path / "p.csv", f"id,description\na,{'x' * 200_000}\n")
    (product,) = open_catalogue(file).products()
    assert len(product.value("description")) == 200_000


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("name;price\nbag;3\n", "'name', 'price'"),
        ("id\n1\n", "'id'"),
        ("id,description,Description\n1,a,b\n", "'Description'"),
        ("just some text\nand more\n", "'just some text'"),
        ("\n\n  \n", "blank"),
    ],
)
def test_no_usable_column_says_what_was_found_and_what_is_expected(
    tmp_path: Path, content: str, found: str
) -> None:
    file = write(tmp_path / "p.csv", content)
    with pytest.raises(InputFileInvalid, match=found) as refused:
        open_catalogue(file)
    assert refused.value.field == str(file)
    assert "id and description" in str(refused.value.hint)


def test_a_quote_that_is_never_closed_is_named_with_its_line(tmp_path: Path) -> None:
    file = write(tmp_path / "p.csv", 'id,description\na,bag\nb,"red bag\nc,belt\nd,watch\n')
    with pytest.raises(InputFileInvalid, match="line 3"):
        open_catalogue(file).count()


def test_a_long_file_is_read_in_constant_memory(tmp_path: Path) -> None:
    """20,000 rows are 2 MB of text; reading one at a time keeps a few rows and one chunk."""
    file = tmp_path / "p.csv"
    file.write_text("id,description\n" + "".join(f"p{i},{'a red bag ' * 10}\n" for i in range(20_000)))
    table = open_catalogue(file)
    table.count()
    tracemalloc.start()
    assert table.count() == 20_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20  # the decoder's chunks of 1 MiB as bytes and as text


@pytest.mark.parametrize("dialect", WRITERS)
@settings(deadline=None, max_examples=12)  # a loaded machine is no failure
@given(
    things=THINGS,
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
)
def test_every_dialect_comes_back_product_by_product(
    tmp_path_factory: pytest.TempPathFactory,
    dialect: str,
    things: list[Thing],
    delimiter: str,
    encoding: str,
) -> None:
    if dialect == "magento":  # lists its colours between commas
        things = [replace(thing, colors=tuple(c.replace(",", "") for c in thing.colors)) for thing in things]
    text = text_of(WRITERS[dialect](things), delimiter)
    file = write(tmp_path_factory.mktemp("csv") / "products.csv", text, encoding)
    catalogue = open_catalogue(file)
    assert (catalogue.dialect.name, catalogue.delimiter) == (dialect, delimiter)
    products = list(catalogue.products())
    assert [product.fault for product in products] == [""] * len(things)
    found = [
        (product.id, product.title, product.value("description"), product.colors) for product in products
    ]
    assert found == [(thing.key, thing.title, thing.description, thing.colors) for thing in things]
    if dialect != "vendure":  # has no brands
        assert [product.value("brand") for product in products] == [thing.brand for thing in things]
    assert catalogue.count() == len(things)


@pytest.mark.parametrize(
    ("file", "dialect", "products", "colors"),
    [
        ("shopify_apparel.csv", "shopify-legacy", 20, {}),
        ("shopify_full_jewelry.csv", "shopify-legacy", 19, {}),
        ("shopify_home-and-garden.csv", "shopify-legacy", 20, {}),
        ("shopify_packt_product_data.csv", "shopify-legacy", 20, {"gardening-gloves": ("Green", "Yellow")}),
        (
            "woocommerce_sample_products_excerpt.csv",
            "woocommerce",
            5,
            {"woo-vneck-tee": ("Blue", "Green", "Red")},
        ),
        ("magento_products_gear_bags.csv", "magento", 14, {}),
        ("vendure_products.csv", "vendure", 54, {}),
    ],
)
def test_what_shops_really_export(
    shared_data: Path, file: str, dialect: str, products: int, colors: dict[str, tuple[str, ...]]
) -> None:
    catalogue = open_catalogue(shared_data / "csv" / file)
    found = {product.id: product for product in catalogue.products()}
    assert (catalogue.dialect.name, len(found), catalogue.count()) == (dialect, products, products)
    assert all(product.title and product.value("description") for product in found.values())
    assert not any(product.fault for product in found.values())
    assert {id: found[id].colors for id in colors} == colors


def test_a_product_of_many_rows_is_one_and_names_its_first(tmp_path: Path) -> None:
    file = write(
        tmp_path / "p.csv",
        "Handle,Title,Image Src\nbag,Bag,1.jpg\nbag,,2.jpg\n,,3.jpg\n\nhat,Hat,\nbag,Bag again,\n",
    )
    products = list(open_catalogue(file).products())
    assert [(product.id, product.row, product.line, product.rows) for product in products] == [
        ("bag", 1, 2, 3),
        ("hat", 4, 6, 1),
        ("bag", 5, 7, 1),
    ]


def test_a_handle_left_out_is_a_product_of_its_own_where_there_is_a_title(tmp_path: Path) -> None:
    file = write(tmp_path / "p.csv", "Title,URL handle,Description\nBag,,red\nHat,,blue\n")
    assert [product.id for product in open_catalogue(file).products()] == ["Bag", "Hat"]


def test_variations_anywhere_in_the_file_are_no_products_and_orphans_are(tmp_path: Path) -> None:
    file = write(
        tmp_path / "p.csv",
        "Tipo;SKU;Nome;Visibilidade no catálogo;Ascendente;ID\n"
        "variable;tee;Camiseta;visible;;7\nsimple;cap;Boné;visible;;8\n"
        "variation;tee-1;Camiseta - Azul;visible;id:7;9\nvariation;lost;Meia;visible;gone;10\n",
    )
    catalogue = open_catalogue(file)
    assert catalogue.dialect.name == "woocommerce"
    assert [product.id for product in catalogue.products()] == ["tee", "cap", "lost"]
    assert [row.product for row in catalogue.rows()] == ["tee", "cap", "tee", "lost"]


def test_a_group_that_comes_again_in_a_feed_keeps_ids_apart(tmp_path: Path) -> None:
    rows = "id\titem_group_id\ttitle\tlink\n1\tg\tA\tx\n2\tg\tA\tx\n3\t\tB\tx\n4\tg\tA\tx\n"
    products = list(open_catalogue(write(tmp_path / "p.tsv", rows)).products())
    assert [(product.id, product.rows) for product in products] == [("g", 2), ("3", 1), ("4", 1)]


@pytest.mark.parametrize("first", ["sep=;", "# Required | optional;;", "\ufeff# a comment;;"])
def test_lines_above_the_header_for_other_programs_are_no_header(tmp_path: Path, first: str) -> None:
    file = write(tmp_path / "p.csv", f"{first}\nid;description\na;Bag\n")
    assert [product.id for product in open_catalogue(file).products()] == ["a"]


def test_unknown_headers_are_mapped(tmp_path: Path) -> None:
    file = write(tmp_path / "p.csv", "Ref;Artikel, kurz;Farbe;seed\n1;Tasche;rot;9\n")
    with pytest.raises(InputFileInvalid, match="'Ref', 'Artikel, kurz'"):
        open_catalogue(file)
    catalogue = open_catalogue(file, {"id": "ref", "title": "Artikel, kurz", "color": "FARBE"})
    (product,) = catalogue.products()
    assert (product.id, product.title, product.colors, product.value("seed")) == (
        "1",
        "Tasche",
        ("rot",),
        "9",
    )
    with pytest.raises(InvalidRequest, match="no column 'Foo'") as refused:
        open_catalogue(file, {"id": "Foo", "title": "Artikel, kurz"})
    assert refused.value.field == "columns"
    with pytest.raises(InvalidRequest, match="must both be given"):
        open_catalogue(file, {"id": "Ref"})
