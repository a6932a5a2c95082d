"""Vendure's product CSV: names in lists with bars ("size|color", "M|red"), variants in rows that leave the
name blank."""

from __future__ import annotations

from imagegen.batch.dialects.dialect import COLOR_WORDS, Dialect, Images, Values, fold
from imagegen.batch.dialects.plain import OWN


def _colors(first: Values, row: Values) -> list[str]:
    names = (row.get("option_names") or first.get("option_names") or "").split("|")
    chosen = zip(names, row.get("option_values", "").split("|"), strict=False)
    return [value.strip() for name, value in chosen if fold(name) in COLOR_WORDS and value.strip()]


VENDURE = Dialect(
    name="vendure",
    columns={
        "handle": ("slug",),
        "title": ("name",),
        "description": ("description",),
        "sku": ("sku",),
        "tags": ("facets",),
        "image": ("assets",),
        "variant_image": ("variantAssets",),
        "option_names": ("optionGroups",),
        "option_values": ("optionValues",),
        **{name: (name,) for name in OWN},
    },
    required=("title", "handle", "option_names"),
    key=("handle", "title"),
    group="handle",
    template="{title}, {color}, {summary}",
    colors=_colors,
    images=Images.LIST,
    separator="|",
)
