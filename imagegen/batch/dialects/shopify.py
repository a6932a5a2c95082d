"""Shopify's product CSV, as it has been for years (Handle, Body (HTML), Variant SKU) and as it is since 2025.

Rows that continue a product (another variant, another image) repeat the handle and leave the title blank.
"""

from __future__ import annotations

from imagegen.batch.dialects.dialect import Dialect, Images, numbered
from imagegen.batch.dialects.plain import OWN

_OWN = {name: (name,) for name in OWN}
_TEMPLATE = "{title}, {color}, {material}, {summary}"

SHOPIFY = Dialect(
    name="shopify",
    columns={
        "handle": ("URL handle",),
        "title": ("Title",),
        "description": ("Description",),
        "brand": ("Vendor",),
        "type": ("Type", "Product category"),
        "tags": ("Tags",),
        "sku": ("SKU",),
        "color": ("Color (product.metafields.shopify.color-pattern)",),
        "material": ("Material (product.metafields.shopify.material)",),
        "image": ("Product image URL",),
        "image_position": ("Image position",),
        "image_alt": ("Image alt text",),
        "variant_image": ("Variant image URL",),
        **numbered("option#_name", "Option# name"),
        **numbered("option#_value", "Option# value"),
        **_OWN,
    },
    required=("handle", "title"),
    key=("handle", "title"),
    group="handle",
    template=_TEMPLATE,
    images=Images.ROWS,
)

SHOPIFY_LEGACY = Dialect(
    name="shopify-legacy",
    columns={
        "handle": ("Handle",),
        "title": ("Title",),
        "description": ("Body (HTML)", "Body HTML", "Body"),
        "brand": ("Vendor",),
        "type": ("Type", "Product Category", "Product Type"),
        "tags": ("Tags",),
        "sku": ("Variant SKU",),
        "color": ("Color (product.metafields.shopify.color-pattern)",),
        "material": ("Material (product.metafields.shopify.material)",),
        "image": ("Image Src",),
        "image_position": ("Image Position",),
        "image_alt": ("Image Alt Text",),
        "variant_image": ("Variant Image",),
        **numbered("option#_name", "Option# Name"),
        **numbered("option#_value", "Option# Value"),
        **_OWN,
    },
    required=("handle", "title"),
    key=("handle", "title"),
    group="handle",
    template=_TEMPLATE,
    images=Images.ROWS,
)
