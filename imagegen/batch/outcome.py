"""What became of one product."""

from __future__ import annotations

from dataclasses import dataclass

COMPLETED = "completed"
FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the manifest, and the description that the gallery shows.

    `file` is relative to the output folder, `seconds` is the work its picture took; both None without one.
    """

    row: int
    id: str
    description: str
    prompt: str
    seed: int | None
    status: str
    file: str | None = None
    seconds: float | None = None
    error: str | None = None
