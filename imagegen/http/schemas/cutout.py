"""POST /v1/cutout with `Accept: application/json`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class CutOutAnswer(BaseModel):
    b64_json: str = Field(description="the PNG, RGBA, as large as the photo")
    method: str = Field(
        description="what cut it out: plain, bundled, alpha (it was a cut-out) or a model's name"
    )
    confidence: float | None = Field(description="0..1; null where nothing had to be decided")
    review: bool = Field(description="true: a person should look before it is used")
    note: str
    report: dict[str, Any] = Field(description="what each step did")
