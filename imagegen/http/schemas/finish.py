"""POST /v1/finish: the form that is sent, and the finished picture with what was done to it."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field

from imagegen.http.schemas.check import CheckAnswer


class FinishForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    image: UploadFile = Field(description="the photo, a picture file of up to 32 MiB")
    preset: str | None = Field(None, description="a name from /v1/presets")
    recipe: str | None = Field(
        None,
        max_length=65_536,
        description="the name of a recipe that comes along, or a recipe's file as text (YAML or JSON)",
    )
    background: str | None = Field(None, description='"white", "transparent" or "#rrggbb"')
    size: str | None = Field(None, description="WIDTHxHEIGHT of the canvas, 16 to 8192 a side")
    output_format: Literal["png", "jpeg", "webp"] | None = Field(
        None, description="the preset's, or png, unless given"
    )


class FinishAnswer(BaseModel):
    b64_json: str = Field(description="the file, in Base64")
    file_name: str = Field(description="what the file should be called; some marketplaces read it")
    output_format: Literal["png", "jpeg", "webp"]
    size: str
    recipe: dict[str, Any] = Field(description="a recipe's file: sent as `recipe` it does the same again")
    report: dict[str, Any] = Field(description="what each step measured and did")
    provenance: dict[str, Any]
    warnings: list[str] = Field(description="what a person should know")
    check: CheckAnswer | None = Field(description="the file held against the preset; null without one")
