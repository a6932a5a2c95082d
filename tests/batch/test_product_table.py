"""The CSV reader: what a seller's spreadsheet writes comes back as it was written."""

from __future__ import annotations

import csv
import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegen.batch.product_table import read_products
from imagegen.errors import InputFileInvalid

CELL = st.text(
    st.characters(codec="cp1252", exclude_characters="\x00", exclude_categories=["Cc"])
    | st.sampled_from('\n",;\t'),
    max_size=40,
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
    table = read_products(file)
    wanted = [(a.strip(), c.strip()) for a, b, c in rows if (a + b + c).strip()]
    assert [(product.id, product.description) for product in table.products()] == wanted
    assert [product.row for product in table.products()] == list(range(1, len(wanted) + 1))
    assert table.count() == len(wanted)
    assert not any(product.fault for product in table.products())


def test_optional_columns_are_found_by_name(tmp_path: Path) -> None:
    file = write(tmp_path / "p.csv", "Size;SEED;description;id;prompt\n64x64;7;A belt;b1;belt, black\n")
    (product,) = read_products(file).products()
    assert (product.id, product.description, product.prompt) == ("b1", "A belt", "belt, black")
    assert (product.seed, product.size, product.text) == ("7", "64x64", "belt, black")


def test_short_rows_are_empty_and_long_rows_are_faulty(tmp_path: Path) -> None:
    file = write(tmp_path / "p.csv", "id,description\na\nb,red, soft bag\nc,fine,,\n")
    short, long, padded = read_products(file).products()
    assert (short.id, short.description, short.fault) == ("a", "", "")
    assert "3 cells under 2 headers" in long.fault
    assert padded.fault == ""


def test_blank_lines_do_not_count(tmp_path: Path) -> None:
    file = write(tmp_path / "p.csv", "\n , \nid,description\n\n,\na,bag\n   ,\nb,belt\n")
    assert [(product.row, product.id) for product in read_products(file).products()] == [(1, "a"), (2, "b")]


def test_a_field_above_pythons_own_limit_is_read(tmp_path: Path) -> None:
    file = write(tmp_path / "p.csv", f"id,description\na,{'x' * 200_000}\n")
    (product,) = read_products(file).products()
    assert len(product.description) == 200_000


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
        read_products(file)
    assert refused.value.field == str(file)
    assert "id and description" in str(refused.value.hint)


def test_a_quote_that_is_never_closed_is_named_with_its_line(tmp_path: Path) -> None:
    file = write(tmp_path / "p.csv", 'id,description\na,bag\nb,"red bag\nc,belt\nd,watch\n')
    with pytest.raises(InputFileInvalid, match="line 3"):
        read_products(file).count()


def test_a_long_file_is_read_in_constant_memory(tmp_path: Path) -> None:
    """20,000 rows are 2 MB of text; reading one at a time keeps a few rows and one chunk."""
    file = tmp_path / "p.csv"
    file.write_text("id,description\n" + "".join(f"p{i},{'a red bag ' * 10}\n" for i in range(20_000)))
    table = read_products(file)
    table.count()
    tracemalloc.start()
    assert table.count() == 20_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20  # the decoder's chunks of 1 MiB as bytes and as text
