"""Magento's (Adobe Commerce's) product CSV, and the shorter one that its sample data comes in.

A configurable product lists its variants in one cell: "sku=tee-red,color=Red|sku=tee-blue,color=Blue". The
variants are rows too, "Not Visible Individually".
"""

from __future__ import annotations

from imagegen.batch.dialects.dialect import COLOR_WORDS, Dialect, Images, Values, fold
from imagegen.batch.dialects.plain import OWN


def _colors(first: Values, row: Values) -> list[str]:
    found = []
    for variant in row.get("variants", "").split("|"):
        for pair in variant.split(","):
            name, _, value = pair.partition("=")
            if fold(name) in COLOR_WORDS and value.strip():
                found.append(value.strip())
    return found or ([row["color"]] if row.get("color") else [])


MAGENTO = Dialect(
    name="magento",
    columns={
        "sku": ("sku",),
        "title": ("name",),
        "short_description": ("short_description",),
        "description": ("description",),
        "type": ("attribute_set", "categories", "category", "attribute_set_code"),
        "brand": ("brand", "manufacturer"),
        "color": ("color", "colour"),
        "material": ("material",),
        "pattern": ("pattern",),
        "image": ("base_image", "image"),
        "more_images": ("additional_images",),
        "image_alt": ("base_image_label",),
        "visibility": ("visibility",),
        "variants": ("configurable_variations",),
        "kind": ("product_type",),
        **{name: (name,) for name in OWN if name != "size"},
    },
    required=("sku", "title"),
    any_of=("kind", "visibility", "type"),
    key=("sku",),
    template="{title}, {color}, {material}, {summary}",
    colors=_colors,
    images=Images.FIRST,
    hidden=lambda values: fold(values.get("visibility", "")) == "not visible individually",
)
