"""The sample catalogues give the prompts that the documentation shows, and no row of them is at fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegen.batch.plan import BatchOptions, Plan

FOLDER = Path(__file__).parents[2] / "samples" / "catalogues"
COLUMNS = {"id": "Ref.", "title": "Artikel", "color": "Farbe", "description": "Beschreibung"}
PROMPTS = {
    "shopify.csv": [
        "Canvas Tote, Natural, Plain canvas tote with two long handles. Inner pocket",
        "Canvas Tote, Black, Plain canvas tote with two long handles. Inner pocket",
        "Running Shoe, Navy, Light running shoe with a white sole.",
    ],
    "shopify-legacy.csv": [
        "Leather Belt, Black leather belt with a metal buckle.",
        "Knit Cap, Red, Warm knitted cap.",
        "Knit Cap, Green, Warm knitted cap.",
    ],
    "woocommerce-pt.csv": [
        "Sandália de couro, Marrom, Sandália rasteira com tira ajustável.",
        "Sandália de couro, Preto, Sandália rasteira com tira ajustável.",
        "Carteira slim, Carteira marrom de couro com oito divisórias.",
    ],
    "nuvemshop.csv": [
        "Mochila escolar, Cinza, Mochila com bolso frontal e alças acolchoadas.",
        "Mochila escolar, Azul, Mochila com bolso frontal e alças acolchoadas.",
        "Chinelo de dedo verde, Macio e leve, para praia e piscina.",
    ],
    "feed.tsv": [
        "Sunglasses, classic frame, black, acetate, Black sunglasses with dark lenses.",
        "Wrist watch with a round dial, silver, steel, Steel bracelet, quiet movement.",
        "Wrist watch with a round dial, gold, steel, Steel bracelet, quiet movement.",
    ],
    "feed.xml": [
        "Silk tie, purple, silk, Plain weave, for a formal shirt.",
        "Lipstick, red, Creamy lipstick in a slim case.",
    ],
    "magento.csv": [
        "High heels, Red, Leather, Rubber, Elegant high heels with a pointed toe.",
        "High heels, Black, Leather, Rubber, Elegant high heels with a pointed toe.",
    ],
    "vendure.csv": [
        "Flip-flops, Green, Soft and light, for beach and pool.",
        "Flip-flops, Blue, Soft and light, for beach and pool.",
    ],
    "unknown-headers.csv": [
        "Damenhandtasche, Rosa, Kurze Henkel, Reißverschluss.",
        "Gürtel, Schwarz, Metallschnalle.",
    ],
}


def test_every_sample_is_here() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(PROMPTS)


@pytest.mark.parametrize("name", PROMPTS)
def test_what_a_sample_becomes(name: str) -> None:
    columns = COLUMNS if name == "unknown-headers.csv" else {}
    plan = Plan(FOLDER / name, BatchOptions(columns=columns, each_color=True))
    pictures = list(plan.pictures())
    assert [picture.prompt for picture in pictures] == PROMPTS[name]
    assert [(picture.error, picture.warnings) for picture in pictures] == [(None, ())] * len(pictures)
    assert plan.count() == len(pictures)
    name_of = plan.catalogue.dialect.name
    assert name.startswith(name_of) or name_of == "mapped"
