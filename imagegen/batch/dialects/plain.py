"""The plain dialect: a row a product; `id` and `description`, and if wanted `prompt`, `seed`, `size` and
more."""

from __future__ import annotations

from imagegen.batch.dialects.dialect import Dialect

FIELDS = ("id", "sku", "title", "description", "brand", "type", "color", "material", "pattern", "tags")
OWN = ("prompt", "seed", "size")
"""What no shop's file has: columns by which a row speaks to us."""

PLAIN = Dialect(
    name="plain",
    columns={**{name: (name,) for name in FIELDS + OWN}, "color": ("color", "colour")},
    required=("id", "description"),
    key=("id",),
    template="{description}",
)
