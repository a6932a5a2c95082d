"""/v1/batches: a catalogue that is handed in, what it would become, and how it stands."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field


class BatchForm(BaseModel):
    """A catalogue and how it becomes pictures, as multipart/form-data."""

    model_config = ConfigDict(extra="forbid")

    file: UploadFile = Field(description="the catalogue, CSV or XML, as the shop exports it")
    template: str | None = Field(
        None, max_length=10_000, description='what prompts are made from: "{title}, {color}"'
    )
    columns: str | None = Field(
        None, max_length=10_000, description="which column holds what: id=SKU,title=Nome"
    )
    variants: int = Field(1, ge=1, le=100, description="pictures of each product")
    each_color: bool = Field(False, description="a picture in each colour that a product comes in")
    preset: list[str] = Field(
        [], max_length=32, description="names from /v1/presets; with several each has a folder"
    )
    image_url: str | None = Field(
        None, max_length=2000, description="what stands before the file names in shop.csv"
    )
    limit: int | None = Field(None, ge=1, description="only the first products")


class PlannedFile(BaseModel):
    preset: str | None
    file: str


class PlannedPicture(BaseModel):
    row: int = Field(description="counted below the header, from 1")
    line: int = Field(description="of the file, from 1")
    id: str
    sku: str
    color: str
    number: int
    prompt: str
    seed: int | None
    files: list[PlannedFile]
    warnings: list[str]
    error: str | None = Field(description="why it cannot be made")


class BatchPreview(BaseModel):
    """What a catalogue would become. Nothing was kept."""

    object: Literal["batch.preview"] = "batch.preview"
    dialect: str = Field(description="the kind of file that it was taken for")
    template: str
    encoding: str | None = Field(description="null for XML, which says its own")
    delimiter: str
    columns: dict[str, str] = Field(description="our fields, and the headers they were found under")
    total: int = Field(description="pictures of the whole file")
    failed: int = Field(description="of them, those that cannot be made")
    warned: int = Field(description="of them, those whose texts were damaged before they came here")
    pictures: list[PlannedPicture]


class BatchFault(BaseModel):
    code: str
    message: str


class BatchLinks(BaseModel):
    """Where its results are; they grow while it runs."""

    manifest_csv: str
    manifest_jsonl: str
    archive: str = Field(description="everything as one zip file")
    gallery: str = Field(description="a page, once it has ended")
    shop_csv: str | None = Field(
        description="the catalogue with its pictures filled in; null where it has none"
    )


class BatchObject(BaseModel):
    id: str
    object: Literal["batch"] = "batch"
    status: Literal["running", "completed", "failed", "cancelled"]
    name: str = Field(description="of the file that was handed in")
    dialect: str
    template: str
    options: dict[str, Any]
    total: int = Field(description="pictures")
    completed: int
    failed: int = Field(description="rows that could not be made; the manifest says why")
    warned: int
    created_at: float = Field(description="unix seconds")
    ended_at: float | None
    error: BatchFault | None = Field(description="the fault that ended the whole batch")
    links: BatchLinks


class BatchList(BaseModel):
    object: Literal["list"] = "list"
    data: list[BatchObject]
