"""Writes products as each dialect's shop would: what the reader of that dialect must understand."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Rows = list[list[str]]


@dataclass(frozen=True)
class Thing:
    """A product as a shop knows it: `key` names it, its colours are its variants."""

    key: str
    title: str
    description: str = ""
    brand: str = ""
    colors: tuple[str, ...] = field(default=())
    images: tuple[str, ...] = field(default=())


def shopify(things: Sequence[Thing]) -> Rows:
    header = ["Title", "URL handle", "Description", "Vendor", "SKU", "Option1 name", "Option1 value"]
    return [[*header, "Product image URL", "Image position", "Variant image URL"], *_shopify(things, [1, 0])]


def shopify_legacy(things: Sequence[Thing]) -> Rows:
    header = ["Handle", "Title", "Body (HTML)", "Vendor", "Variant SKU", "Option1 Name", "Option1 Value"]
    return [[*header, "Image Src", "Image Position", "Variant Image"], *_shopify(things, [0, 1])]


def _shopify(things: Sequence[Thing], order: list[int]) -> Rows:
    """A row for each variant and each image, whichever are more; only the first one has texts."""
    rows = []
    for thing in things:
        for n in range(max(1, len(thing.colors), len(thing.images))):
            color = thing.colors[n] if n < len(thing.colors) else ""
            image = thing.images[n] if n < len(thing.images) else ""
            named = [thing.key, thing.title if n == 0 else ""]
            texts = [thing.description, thing.brand] if n == 0 else ["", ""]
            option = ("Color" if thing.colors else "Title") if n == 0 else ""
            value = color or ("Default Title" if n == 0 and not thing.colors else "")
            position = str(n + 1) if image else ""
            rows.append([*(named[i] for i in order), *texts, "", option, value, image, position, ""])
    return rows


def woocommerce(things: Sequence[Thing]) -> Rows:
    header = "ID|Type|SKU|Name|Visibility in catalog|Short description|Description|Brands|Images|Parent"
    rows = [[*header.split("|"), "Attribute 1 name", "Attribute 1 value(s)"]]
    variations = []
    for n, thing in enumerate(things, start=1):
        kind = "variable" if thing.colors else "simple"
        values = ", ".join(color.replace(",", "\\,") for color in thing.colors)
        option = ["Color" if thing.colors else "", values]
        texts = ["", thing.description, thing.brand, ", ".join(thing.images), ""]
        rows.append([str(n), kind, thing.key, thing.title, "visible", *texts, *option])
        for color in thing.colors:
            name = f"{thing.title} - {color}"
            variations.append(["", "variation", "", name, "", "", "", "", "", f"id:{n}", "Color", color])
    return rows + variations


def nuvemshop(things: Sequence[Thing]) -> Rows:
    header = (
        "Identificador URL|Nome|Categorias|Nome da variação 1|Valor da variação 1|Preço|SKU|Descrição|Marca"
    )
    rows = [header.split("|")]
    for thing in things:
        for n, color in enumerate(thing.colors or ("",)):
            texts = [thing.description, thing.brand] if n == 0 else ["", ""]
            title = thing.title if n == 0 else ""
            rows.append([thing.key, title, "", "Cor" if color else "", color, "9,90", "", *texts])
    return rows


def feed(things: Sequence[Thing]) -> Rows:
    rows = [["id", "item_group_id", "title", "description", "brand", "link", "image_link", "color"]]
    for thing in things:
        image = thing.images[0] if thing.images else ""
        for n, color in enumerate(thing.colors or ("",)):
            rows.append(
                [
                    f"{thing.key}/{n}",
                    thing.key,
                    thing.title,
                    thing.description,
                    thing.brand,
                    "x",
                    image,
                    color,
                ]
            )
    return rows


def magento(things: Sequence[Thing]) -> Rows:
    rows = [["sku", "name", "description", "brand", "product_type", "visibility", "color"]]
    rows[0] += ["configurable_variations", "base_image", "additional_images"]
    for thing in things:
        variants = "|".join(f"sku={thing.key}-{n},color={color}" for n, color in enumerate(thing.colors))
        for n, color in enumerate(thing.colors):
            hidden = ["", "", "simple", "Not Visible Individually", color, "", "", ""]
            rows.append([f"{thing.key}-{n}", thing.title, *hidden])
        kind = "configurable" if thing.colors else "simple"
        images = [*thing.images[:1], ",".join(thing.images[1:])] if thing.images else ["", ""]
        texts = [thing.key, thing.title, thing.description, thing.brand]
        rows.append([*texts, kind, "Catalog, Search", "", variants, *images])
    return rows


def vendure(things: Sequence[Thing]) -> Rows:
    rows = [["name", "slug", "description", "assets", "optionGroups", "optionValues", "sku", "variantAssets"]]
    for thing in things:
        for n, color in enumerate(thing.colors or ("",)):
            first = [thing.title, thing.key, thing.description, "|".join(thing.images)]
            groups = "size|color" if color and n == 0 else ""
            values = f"M|{color}" if color else ""
            rows.append([*(first if n == 0 else [""] * 4), groups, values, f"{thing.key}-{n}", ""])
    return rows


WRITERS: dict[str, Callable[[Sequence[Thing]], Rows]] = {
    "shopify": shopify,
    "shopify-legacy": shopify_legacy,
    "woocommerce": woocommerce,
    "nuvemshop": nuvemshop,
    "feed": feed,
    "magento": magento,
    "vendure": vendure,
}


def text_of(rows: Rows, delimiter: str = ",", line_end: str = "\r\n") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=line_end).writerows(rows)
    return text.getvalue()
