"""An error as the terminal and as a program that reads JSON want it."""

from __future__ import annotations

from typing import Any

from imagegen.errors import ImagegenError


def as_text(error: ImagegenError) -> str:
    """What is wrong and where, and below it what to do."""
    where = "" if error.field is None else f"{error.field}: "
    what_to_do = "" if error.hint is None else f"\n  {error.hint}"
    return f"imagegen: {where}{error.message}{what_to_do}"


def as_json(error: ImagegenError) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "field": error.field,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }
