"""Which shapes each format takes, and how many bytes a weight of that shape needs."""

from __future__ import annotations

from typing import Literal, get_args

Format = Literal["binary", "ternary", "int4", "int8"]

BITS: dict[str, int] = {"binary": 1, "ternary": 2, "int4": 4, "int8": 8}
"""Bits of a packed code."""

UNIT: dict[str, int] = {"binary": 128, "ternary": 128, "int4": 32, "int8": 1}
"""Columns that share a run of bytes (bits.py); columns and group sizes are multiples of it."""

TERNARY_GROUP = UNIT["ternary"]


def check_layout(format: str, rows: int, columns: int, group_size: int) -> None:
    """Raise ValueError unless a [rows, columns] weight can be stored in `format` with `group_size`."""
    if format not in get_args(Format):
        raise ValueError(f"unknown weight format {format!r}: choose one of {', '.join(get_args(Format))}")
    if rows < 1 or columns < 1:
        raise ValueError(f"a weight needs at least one row and one column, not shape [{rows}, {columns}]")
    unit = UNIT[format]
    if columns % unit:
        raise ValueError(f"{format} columns must be a multiple of {unit}, not shape [{rows}, {columns}]")
    if group_size < 1 or columns % group_size:
        raise ValueError(f"group size {group_size} does not divide the columns of shape [{rows}, {columns}]")
    if group_size % unit:
        raise ValueError(
            f"{format} group size must be a multiple of {unit}, not {group_size} (shape [{rows}, {columns}])"
        )


def packed_bytes(format: Format, rows: int, columns: int, group_size: int, zero_points: bool = False) -> int:
    """Bytes of codes, scales and zero points of a [rows, columns] weight; ValueError as `check_layout`."""
    check_layout(format, rows, columns, group_size)
    scale = 3 if zero_points else 2
    return rows * (columns * BITS[format] // 8 + scale * (columns // group_size))
