"""A component's config.json as the dataclass of its network: the keys it knows, with their types.

Keys that the dataclass does not know are left alone, as diffusers does: every version of it writes others.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Config = TypeVar("Config")


def read_config(kind: type[Config], content: dict[str, Any]) -> Config:
    """Lists become tuples. Raises ValueError naming the key that is missing or of a wrong type."""
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name in content:
            value = content[field.name]
            value = tuple(value) if isinstance(value, list) else value
            if not _fits(value, hints[field.name]):
                raise ValueError(f"{field.name} is {content[field.name]!r}, not {hints[field.name]}")
            values[field.name] = value
        elif field.default is MISSING:
            raise ValueError(f"lacks {field.name}")
    return kind(**values)


def _fits(value: object, hint: Any) -> bool:
    """For the types that network configs use: numbers, strings, tuples of numbers, mappings and None."""
    origin = get_origin(hint) or hint
    if origin is UnionType:
        return any(_fits(value, option) for option in get_args(hint))
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(item, get_args(hint)[0]) for item in value)
    if isinstance(value, bool):
        return origin is bool
    if origin is float:
        return isinstance(value, (int, float))
    return isinstance(value, NoneType if origin is None else origin)
