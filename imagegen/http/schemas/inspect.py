"""POST /v1/inspect: what a picture file is, and what it and its pixels say of how it was made."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class CredentialsFound(BaseModel):
    state: Literal["trusted", "valid", "invalid"] = Field(
        description="trusted: intact, signed by a certificate that this server knows; valid: intact, by "
        "somebody unknown; invalid: changed after it was signed, or broken"
    )
    signer: str | None
    software: str | None
    source_types: list[str]
    made_from: list[str] = Field(description="what wrote the manifests of the files that it was made from")
    problems: list[str]


class WatermarkFound(BaseModel):
    found: bool
    score: float = Field(description="standard deviations above chance")
    scale: float = Field(description="size of the picture now / when it was marked; 0 when not found")


class InspectAnswer(BaseModel):
    name: str
    bytes: int
    format: str
    width: int
    height: int
    mode: str
    frames: int
    colour_space: str
    jpeg_quality: int | None
    source_type: str | None = Field(description="code of IPTC's digital source type, from XMP")
    c2pa: bool = Field(description="a C2PA manifest is there")
    exif: bool
    gps: bool
    credentials: CredentialsFound | None = Field(description="the C2PA manifest, checked; null without one")
    watermark: WatermarkFound
