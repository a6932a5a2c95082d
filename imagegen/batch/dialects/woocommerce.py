"""WooCommerce's product export, whose headers are in the language of the shop: English, Portuguese, Spanish,
German, French or Italian.

A variable product is a row whose attributes list all their values ("Blue, Green, Red"); each of its
variations is a row of its own that names it as `Parent`, by "id:44" or by its SKU, and need not stand beside
it.
"""

from __future__ import annotations

import re

from imagegen.batch.dialects.dialect import COLOR_WORDS, Dialect, Images, Values, fold, numbered, options
from imagegen.batch.dialects.plain import OWN

_VALUES = re.compile(r"(?<!\\),")  # "Steel 430\, stainless" is one value


def _colors(first: Values, row: Values) -> list[str]:
    for name, values in options(first, row):
        if fold(name.removeprefix("pa_")) in COLOR_WORDS:
            return [value.strip().replace("\\,", ",") for value in _VALUES.split(values) if value.strip()]
    return []


def _types(values: Values) -> set[str]:
    return {kind.strip().casefold() for kind in values.get("row_type", "").split(",")}


WOOCOMMERCE = Dialect(
    name="woocommerce",
    columns={
        "id": ("ID",),
        "row_type": ("Type", "Tipo", "Typ"),
        "sku": ("SKU", "Artikelnummer", "UGS", "REF", "COD"),
        "title": ("Name", "Nome", "Nombre", "Nom"),
        "short_description": (
            "Short description",
            "Descrição curta",
            "Breve descrição",
            "Descripción corta",
            "Kurzbeschreibung",
            "Description courte",
            "Breve descrizione",
        ),
        "description": ("Description", "Descrição", "Descripción", "Beschreibung", "Descrizione"),
        "type": ("Categories", "Categorias", "Categorías", "Kategorien", "Catégories", "Categorie"),
        "tags": ("Tags", "Etiquetas", "Schlagwörter", "Étiquettes", "Tag"),
        "brand": ("Brands", "Brand", "Marcas", "Marca", "Marken", "Marke", "Marques", "Marque", "Marchi"),
        "image": ("Images", "Imagens", "Imágenes", "Bilder", "Immagini", "Immagine"),
        "parent": (
            "Parent",
            "Ascendente",
            "Pai",
            "Superior",
            "Principal",
            "Übergeordnetes Produkt",
            "Genitore",
        ),
        "visibility": (
            "Visibility in catalog",
            "Visibilidade no catálogo",
            "Visibilidad en el catálogo",
            "Sichtbarkeit im Katalog",
            "Visibilité dans le catalogue",
            "Visibilità nel catalogo",
        ),
        "price": (
            "Regular price",
            "Preço",
            "Preço normal",
            "Preço regular",
            "Precio normal",
            "Regulärer Preis",
            "Tarif régulier",
            "Prezzo di listino",
        ),
        **numbered(
            "option#_name",
            "Attribute # name",
            "Nome do atributo #",
            "Atributo # nome",
            "Nombre del atributo #",
            "Attribut # Name",
            "Nom de l'attribut #",
            "Nome dell'attributo #",
        ),
        **numbered(
            "option#_value",
            "Attribute # value(s)",
            "Valores do atributo #",
            "Valor(es) do atributo #",
            "Atributo # valor(es)",
            "Valor(es) del atributo #",
            "Attribut # Wert(e)",
            "Valeur(s) de l'attribut #",
            "Valore dell'attributo #",
            "Valori dell'attributo #",
        ),
        **{name: (name,) for name in OWN},
    },
    required=("row_type", "title"),
    any_of=("visibility", "price", "image", "short_description"),
    key=("sku", "id", "title"),
    template="{title}, {color}, {material}, {summary}",
    colors=_colors,
    images=Images.LIST,
    separator=", ",
    variation=lambda values: "variation" in _types(values),
    variable=lambda values: "variable" in _types(values),
)
