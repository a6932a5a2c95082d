"""Templates: names become texts, empty ones leave nothing behind, unknown ones are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegen.batch.catalogue import Catalogue, open_catalogue
from imagegen.batch.template import FIELDS, read_template
from imagegen.errors import InvalidRequest

FEED = """id,title,description,brand,link,color,material,Style code,product_type
1,Acme Tênis - tam 38,"<p>Leve e macio. Feito à mão.</p>",Acme,x,Azul,"Couro
Lona",S-1,"Calçados > Tênis, Ofertas"
2,Boné,,,x,,,,
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    (tmp_path / "feed.csv").write_text(FEED, encoding="utf-8")
    return open_catalogue(tmp_path / "feed.csv")


@pytest.mark.parametrize(
    ("template", "prompts"),
    [
        ("{title}, {color}", ["Tênis, Azul", "Boné"]),
        ("{Color} {TITLE} de {material}", ["Azul Tênis de Couro, Lona", "Boné de"]),
        ("{title} ({style code})", ["Tênis (S-1)", "Boné"]),
        ("{title}, {summary}, {type}", ["Tênis, Leve e macio. Feito à mão, Tênis", "Boné"]),
        ("{{{title}}}", ["{Tênis}", "{Boné}"]),
        (
            "foto de {title} - {brand} - fundo branco",
            ["foto de Tênis - Acme - fundo branco", "foto de Boné - fundo branco"],
        ),
        ("{description}", ["Leve e macio. Feito à mão.", ""]),
        ("{id}: {title}", ["1: Tênis", "2: Boné"]),
    ],
)
def test_names_become_texts(catalogue: Catalogue, template: str, prompts: list[str]) -> None:
    read = read_template(template, catalogue)
    made = [
        read.fill(product, product.colors[0] if product.colors else "") for product in catalogue.products()
    ]
    assert made == prompts


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{nothing}", "neither a field nor a column"),
        ("{title", "brace stands alone"),
        ("title}", "brace stands alone"),
        ("{}", "neither"),
        ("{title.__class__}", "neither"),
        ("a red bag", "same prompt"),
        ("", "same prompt"),
    ],
)
def test_what_cannot_be_filled_is_refused(catalogue: Catalogue, template: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as refused:
        read_template(template, catalogue)
    assert refused.value.field == "template"


def test_the_refusal_lists_what_there_is(catalogue: Catalogue) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_template("{colour_of_the_thing}", catalogue)
    assert "Style code" in str(refused.value.hint)
    assert all(name in str(refused.value.hint) for name in FIELDS)
