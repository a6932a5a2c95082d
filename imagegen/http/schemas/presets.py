"""GET /v1/presets: the presets as their files have them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class PresetObject(BaseModel):
    id: str
    object: Literal["preset"] = "preset"
    title: str
    checked: str = Field(description="the day on which the sources were read")
    finish: dict[str, Any] = Field(
        description="width, height, background, fill and format of a finished picture"
    )
    file_name: dict[str, str] = Field(description="what the marketplace asks of a file's name")
    limits: list[dict[str, Any]] = Field(
        description="measure, one comparison with its bound, level, confidence (A official, B third party, C "
        "weak, own) and sources"
    )


class PresetList(BaseModel):
    object: Literal["list"] = "list"
    data: list[PresetObject]
