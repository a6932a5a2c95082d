"""Cleaning: what a picture shows stays, in the seller's own language; mark-up and shop talk go."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imagegen.batch.clean import MAX_HTML, plain_text, summary, tidy, without_noise


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Red bag</p>\n<ul><li>two handles</li><li>a zip!</li></ul>", "Red bag. two handles. a zip!"),
        (
            "<h6>Description</h6><p>Soft &amp; warm&nbsp;wool</p><script>alert(1)</script>",
            "Soft & warm wool",
        ),
        ("Größe < 40 cm,\n breit", "Größe < 40 cm, breit"),
        ("Tênis <b>azul</b> de <i>couro</i>", "Tênis azul de couro"),
        ("<style>p{}</style>", ""),
        ("plain", "plain"),
        ("blue<![if !mso]> bag<![endif]><![0 shoe>", "blue bag"),
    ],
)
def test_html_becomes_sentences(html: str, text: str) -> None:
    assert plain_text(html) == text


@settings(deadline=None)  # a loaded machine is no failure
@given(st.text() | st.text("<>/&;pb !-[]\"'="))
@example("<![0")
@example("<![0]>shoe")
@example("<![p[x]]>")
def test_any_text_is_survived(html: str) -> None:
    text = plain_text(html)
    assert "  " not in text
    assert without_noise(text) == without_noise(text, "")
    assert len(summary(text, 50)) <= 50


def test_a_huge_description_takes_no_longer_than_its_beginning() -> None:
    assert len(plain_text("<p>" * 3_000_000)) < 3
    assert len(plain_text("x" * 1_000_000)) == MAX_HTML


@pytest.mark.parametrize(
    ("title", "brand", "seen"),
    [
        ("Tênis Acme Air Tam. 38 - Azul", "Acme", "Tênis Air - Azul"),
        ("Camiseta Básica - tam M - azul (P, M, G)", "", "Camiseta Básica - azul"),
        ("Vestido Floral - GG", "", "Vestido Floral"),
        ("Bolsa 30 x 20 cm couro Ref. 1234 ★ Frete Grátis!", "", "Bolsa couro"),
        ("Caneca 350ml branca", "", "Caneca branca"),
        ("Calça jeans numeração 34 ao 46", "", "Calça jeans"),
        ("Sofa by Rustic LTD, two seater", "Rustic LTD", "Sofa, two seater"),
        ("Acme™ belt", "Acme", "belt"),
        ("Zapatos rojos talla 42, envío gratis", "", "Zapatos rojos"),
        ("Kleid Größe M rot", "", "Kleid rot"),
        ("Mesa (120cm)", "", "Mesa"),
        ("T-shirt / S", "", "T-shirt"),
        ("Sandália nº 37", "", "Sandália"),
        ("Vitamin C serum 20% OFF", "", "Vitamin C serum"),
    ],
)
def test_titles_lose_what_no_picture_shows(title: str, brand: str, seen: str) -> None:
    assert without_noise(title, brand) == seen


@pytest.mark.parametrize(
    "title",
    [
        "Acme",  # nothing else is left
        "Size M",
        "T-Shirt",
        "V-Neck T-Shirt",
        "14k Gold Ring",
        "32-Inch Monitor",
        "Two-seater sofa, grey",
        "Jogo de mesa com quatro cadeiras",
        "Mini saia preta",
        "Sales desk",
        "Artisan vase",
    ],
)
def test_titles_keep_what_only_looks_like_noise(title: str) -> None:
    assert without_noise(title, "Acme") == title


@pytest.mark.parametrize(
    ("left", "tidied"),
    [
        ("Bag, , red", "Bag, red"),
        ("Bag ()", "Bag"),
        (" - Bag -  - red, ", "Bag - red"),
        ("Bag., red", "Bag, red"),
    ],
)
def test_separators_do_not_stand_alone(left: str, tidied: str) -> None:
    assert tidy(left) == tidied


def test_a_summary_ends_with_a_sentence_or_a_word() -> None:
    assert summary("One. Two two. Three three three.", 16) == "One. Two two."
    assert summary("Oneword anotherword", 10) == "Oneword"
    assert summary("x" * 20, 10) == "x" * 10
