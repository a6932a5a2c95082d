"""What a job is: a request, where its picture goes, and how far it has come."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from imagegen.request import ImageRequest
from imagegen_postprocess import Recipe


class JobState(StrEnum):
    QUEUED = "queued"
    GENERATING = "generating"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """How a job stands.

    `file`, `seed` and `seconds` (of work, without waiting) are known once it is completed, `error` once it
    has failed.
    """

    id: str
    state: JobState
    file: Path | None = None
    seed: int | None = None
    seconds: float | None = None
    warnings: tuple[str, ...] = ()
    error: Exception | None = None


def to_record(request: ImageRequest) -> dict[str, Any]:
    """The request as JSON values: what the database keeps."""
    recipe = None if request.recipe is None else request.recipe.to_dict()
    return {**asdict(request), "recipe": recipe}


def from_record(record: dict[str, Any]) -> ImageRequest:
    """The request that `to_record` took apart. Raises InvalidRequest."""
    recipe = None if record["recipe"] is None else Recipe.from_dict(record["recipe"])
    return ImageRequest(**{**record, "recipe": recipe})
