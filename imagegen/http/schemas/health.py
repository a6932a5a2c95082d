"""What probes read."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Liveness(BaseModel):
    status: Literal["ok"] = "ok"
    version: str


class Readiness(BaseModel):
    status: Literal["ready", "not_ready"]
    reasons: list[str] = Field(description="what stands in the way; empty when ready")
    waiting: int = Field(description="pictures in the queue")
    queue_size: int = Field(description="pictures that may wait before requests are refused with 429")
