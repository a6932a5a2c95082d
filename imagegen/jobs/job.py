"""What a job is: a request, where its picture goes, and how far it has come."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagegen.request import ImageRequest
from imagegen.request import Priority as Priority

if TYPE_CHECKING:
    from imagegen.artifact import Format

LAST_EVENT = 1000


class JobState(StrEnum):
    QUEUED = "queued"
    GENERATING = "generating"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """True when the job will not change any more."""
        return self in (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Job:
    """How a job stands.

    created, started, ended     seconds since 1970; `started` when a worker took it
    step, steps                 denoising steps done, of how many; 0 until the first one
    file                        where the picture was written, for a job with a place of its own
    artifact                    the picture's id in the artifact store, for any other, once it is on record
    kept_as                     that id from the beginning: a job that is cancelled may have its picture there
    seconds                     of work, without waiting
    details                     the artifact without its pixels (Artifact.to_dict): recipe, report, timings
    error                       code, message, param and hint of what went wrong
    """

    id: str
    state: JobState
    request: ImageRequest
    owner: str = ""
    priority: Priority = Priority.INTERACTIVE
    batch: str | None = None
    label: str | None = None
    webhook: str | None = None
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    step: int = 0
    steps: int = 0
    file: Path | None = None
    artifact: str | None = None
    kept_as: str | None = None
    seed: int | None = None
    seconds: float | None = None
    warnings: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    error: dict[str, str | None] | None = None

    @property
    def seq(self) -> int:
        """Number of the event that the job stands at. It counts up with a job's life and is the same for
        whoever looks, whenever: 1 queued, 2 taken, 2 + n after step n, LAST_EVENT at the end."""
        if self.state.final:
            return LAST_EVENT
        return 1 if self.state is JobState.QUEUED else 2 + self.step


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, newest first; `next` continues the list, None at its end."""

    jobs: tuple[Job, ...]
    next: str | None


def artifact_id(job: str, format: Format) -> str:
    """The picture's id in the artifact store: made of the job's, so a job carried out twice writes one
    file."""
    return f"{hashlib.sha256(job.encode()).hexdigest()[:32]}.{format}"
