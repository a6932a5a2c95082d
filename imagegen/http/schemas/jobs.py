"""/v1/jobs: what a job is asked and how it stands."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from imagegen.http.schemas.edits import FIT
from imagegen.http.schemas.images import PictureFields

Status = Literal["queued", "generating", "completed", "failed", "cancelled"]


class JobCreation(PictureFields):
    """One picture that nobody waits for on an open connection. Unknown fields are refused."""

    image: str | None = Field(
        None, description="a photo to start from, in base64 or as a data: URL; see strength"
    )
    strength: float | None = Field(
        None, description="how much of `image` may change, 0 to 1; 0.6 unless given"
    )
    fit: Literal["pad", "crop", "stretch"] | None = FIT
    references: list[str] = Field(
        [], max_length=16, description="photos to look at, likewise, for a model that was taught to"
    )
    label: str | None = Field(None, max_length=200, description="shown back: a SKU, a handle")
    priority: Literal["interactive", "batch"] | None = Field(
        None, description="interactive goes before batch; the key's own unless given, and never above it"
    )
    webhook: str | None = Field(
        None, max_length=64, description="id of an endpoint from /v1/webhooks that is told of the end"
    )
    deadline: float | None = Field(
        None, ge=0, le=1e11, description="unix seconds after which it is not begun any more"
    )


class JobProgress(BaseModel):
    step: int = Field(description="denoising steps done")
    steps: int = Field(description="of how many; 0 until the first one")


class JobRequest(BaseModel):
    """What was asked, with what was filled in."""

    prompt: str
    model: str
    size: str = Field(description='"auto" is the model\'s own')
    seed: int | None
    steps: int | None
    recipe: dict[str, Any] | None
    image: str | None = Field(None, description="SHA-256 of the photo it starts from")
    strength: float | None = None
    references: list[str] = Field([], description="SHA-256 of each photo it looks at")


class JobResult(BaseModel):
    url: str = Field(description="where the picture can be fetched")
    artifact: str
    seed: int | None
    seconds: float | None = Field(description="of work, without waiting")
    warnings: list[str]


class JobFault(BaseModel):
    code: str
    message: str
    param: str | None = None


class JobObject(BaseModel):
    id: str
    object: Literal["job"] = "job"
    status: Status
    priority: Literal["interactive", "batch"]
    label: str | None
    batch: str | None
    webhook: str | None
    created_at: float = Field(description="unix seconds")
    started_at: float | None
    ended_at: float | None
    progress: JobProgress
    request: JobRequest
    result: JobResult | None
    error: JobFault | None


class JobList(BaseModel):
    object: Literal["list"] = "list"
    data: list[JobObject]
    has_more: bool
    next: str | None = Field(description="the `after` of the next page; null at the end")


class JobEventData(BaseModel):
    """The data of an event; its id counts up with the job's life and is the same for whoever reads it."""

    id: str
    status: Status
    progress: JobProgress
