"""POST /v1/check: what a picture file is, and what a marketplace's limits make of it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Finding(BaseModel):
    """One limit; beside these members it has the limit's own comparison, like `at_most`."""

    model_config = ConfigDict(extra="allow")

    status: Literal["pass", "warn", "fail", "unknown"] = Field(
        description="fail: a required limit is broken; warn: an advised one, or a sign of it; unknown: it "
        "cannot be measured"
    )
    measure: str
    value: float | bool | str | None = Field(description="as measured")
    level: Literal["required", "advised"]
    confidence: Literal["A", "B", "C", "own"] = Field(description="of the limit, not of the measurement")
    sources: list[str]
    note: str
    fix: str = Field(description="what to do; empty for what passes")


class CheckAnswer(BaseModel):
    preset: str
    checked: str = Field(description="the day on which the limits' sources were read")
    verdict: Literal["pass", "fail"]
    file: dict[str, Any] = Field(description="format, size, colour space, source type, ... of the file")
    findings: list[Finding]
