"""Jobs as the wire has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from imagegen.http.schemas.jobs import (
    JobEventData,
    JobFault,
    JobObject,
    JobProgress,
    JobRequest,
    JobResult,
)
from imagegen.jobs.job import Job, JobState


def job_object(job: Job, url_of: Callable[[str], str]) -> JobObject:
    """The job; `url_of` says where an artifact can be fetched."""
    request, result, fault = job.request, None, None
    if job.state is JobState.COMPLETED and job.artifact is not None:
        result = JobResult(
            url=url_of(job.artifact),
            artifact=job.artifact,
            seed=job.seed,
            seconds=job.seconds,
            warnings=list(job.warnings),
        )
    if job.error is not None:
        fault = JobFault(
            code=job.error.get("code") or "internal_error",
            message=job.error.get("message") or "",
            param=job.error.get("param"),
        )
    return JobObject(
        id=job.id,
        status=job.state.value,
        priority=job.priority.value,
        label=job.label,
        batch=job.batch,
        webhook=job.webhook,
        created_at=job.created,
        started_at=job.started,
        ended_at=job.ended,
        progress=JobProgress(step=job.step, steps=job.steps),
        request=JobRequest(
            prompt=request.prompt,
            model=Path(request.model).name,  # a job keeps the folder, which is nobody's business
            size="auto" if request.width is None else f"{request.width}x{request.height}",
            seed=request.seed,
            steps=request.steps,
            recipe=None if request.recipe is None else request.recipe.to_dict(),
            image=None if request.image is None else request.image.id,
            strength=request.strength,
            references=[photo.id for photo in request.references],
        ),
        result=result,
        error=fault,
    )


def event_data(job: Job) -> JobEventData:
    return JobEventData(
        id=job.id, status=job.state.value, progress=JobProgress(step=job.step, steps=job.steps)
    )
