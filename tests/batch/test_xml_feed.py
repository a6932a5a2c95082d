"""XML feeds: the same products as from CSV, and nothing that attacks its reader."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from imagegen.batch.catalogue import open_catalogue
from imagegen.errors import InputFileInvalid

RSS = """<?xml version="1.0" encoding="{encoding}"?>
<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel><title>Loja</title>
<item><g:id>1</g:id><title>Tênis</title><description><![CDATA[<p>Leve</p>]]></description><g:link>x</g:link>
<g:item_group_id>g</g:item_group_id><g:color>Azul</g:color><g:shipping><g:price>1 EUR</g:price></g:shipping>
<g:additional_image_link>a</g:additional_image_link><g:additional_image_link>b</g:additional_image_link></item>
<item><g:id>2</g:id><title>Tênis</title><g:item_group_id>g</g:item_group_id><g:color>Verde</g:color></item>
</channel></rss>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_items_are_rows(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "feed.xml"
    file.write_bytes(RSS.format(encoding=encoding).encode(encoding))
    catalogue = open_catalogue(file)
    assert (catalogue.dialect.name, catalogue.is_xml) == ("feed", True)
    (product,) = catalogue.products()
    assert (product.id, product.title, product.colors, product.rows) == ("g", "Tênis", ("Azul", "Verde"), 2)
    assert product.value("description") == "<p>Leve</p>"
    assert product.value("more_images") == "a,b"


def test_atom_is_read_too(tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    file.write_text(
        '<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id><title>Bag</title><link>x</link></entry></feed>'
    )
    assert [(product.id, product.title) for product in open_catalogue(file).products()] == [("1", "Bag")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><rss><item><id>&b;</id></item></rss>',
            "DOCTYPE",
        ),
        ('<!DOCTYPE r SYSTEM "file:///etc/passwd"><rss><item><id>1</id></item></rss>', "DOCTYPE"),
        ("<rss><item><id>1</id>", "no whole XML"),
        ("<rss></rss>", "no items"),
        ("<rss><item><x>1</x></item></rss>", "no usable columns"),
    ],
)
def test_what_is_no_feed_is_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "feed.xml"
    file.write_text(content)
    with pytest.raises(InputFileInvalid, match=message) as refused:
        open_catalogue(file)
    assert refused.value.field == str(file)


def test_a_long_feed_is_read_in_constant_memory(tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    item = (
        "<item><id>{}</id><title>Bag</title><link>x</link><description>"
        + "long " * 40
        + "</description></item>"
    )
    file.write_text("<rss>" + "".join(item.format(n) for n in range(10_000)) + "</rss>")
    catalogue = open_catalogue(file)
    tracemalloc.start()
    assert catalogue.count() == 10_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20
