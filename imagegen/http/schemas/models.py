"""OpenAI's model objects; what they have no member for is under `imagegen`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class ModelDetails(BaseModel):
    """What a caller needs to know before asking for a picture."""

    architecture: str
    licence: str
    source: str
    steps: int = Field(description="denoising steps of quality medium")
    size: str = Field(description="the size that auto gives", examples=["256x256"])
    sizes: list[str] | None = Field(description="every size it makes; null: any multiple of the next member")
    multiple: int = Field(description="pixels of picture side per position of the transformer")
    references: int = Field(description="most photos that it looks at; 0: it was never taught to")
    disk_bytes: int


class Model(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="Unix time of the model's files")
    owned_by: str
    imagegen: ModelDetails


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]
