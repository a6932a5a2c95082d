"""The product feed that Google Merchant Center and Meta's catalogues read: CSV, tab-separated or XML.

Each variant is an item of its own; those with the same `item_group_id` are one product.
"""

from __future__ import annotations

from imagegen.batch.dialects.dialect import Dialect, Images
from imagegen.batch.dialects.plain import OWN

_ALIASES = {
    "group": ("item_group_id", "item group id"),
    "description": ("description", "rich_text_description"),
    "type": ("product_type", "product type", "google_product_category", "google product category"),
    "image": ("image_link", "image link", "image[0].url"),
    "more_images": ("additional_image_link", "additional image link"),
}

FEED = Dialect(
    name="feed",
    columns={
        **{name: (name,) for name in ("id", "title", "brand", "material", "pattern", "link")},
        "color": ("color", "colour"),
        "availability": ("availability",),
        **_ALIASES,
        **{name: (name,) for name in OWN if name not in ("size",)},  # a feed's size is that of a garment
    },
    required=("id", "title"),
    any_of=("link", "image", "availability", "group"),
    key=("group", "id"),
    group="group",
    template="{title}, {color}, {material}, {pattern}, {summary}",
    images=Images.FIRST,
)
