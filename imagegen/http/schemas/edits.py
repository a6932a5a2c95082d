"""POST /v1/images/edits: OpenAI's parameters for a picture made from photos, and our own beside them."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from imagegen.http.schemas.images import ImageGeneration

STRENGTH = Field(
    None,
    ge=0,
    le=1,
    description="how much of the photo may change; with it the picture starts from the (first) photo, which "
    "every model with an encoder can, instead of looking at it",
)
FIT = Field(
    None,
    description="how a photo to start from gets to the model's shape: pad (the default: whole, its border "
    "continued), crop (the middle) or stretch",
)


class EditImage(BaseModel):
    model_config = ConfigDict(extra="forbid")

    image_url: str = Field(description="a data: URL; addresses are refused, nothing is fetched")


class ImageEdit(ImageGeneration):
    """What to make of which photos. Numbers and booleans may be text, as forms have it."""

    model_config = ConfigDict(extra="forbid", strict=False)

    images: list[EditImage] = Field([], max_length=16, description="in JSON: the photos")
    strength: float | None = STRENGTH
    fit: Literal["pad", "crop", "stretch"] | None = FIT

    @field_validator("recipe", mode="before")
    @classmethod
    def _fields_or_false(cls, value: object) -> object:
        if isinstance(value, str):  # a form's
            try:
                value = json.loads(value)
            except ValueError:
                value = None
        return super()._fields_or_false(value)


def form_schema() -> dict[str, Any]:
    """The same as a form, for the OpenAPI document: the photos are files, and any number of them."""
    schema = ImageEdit.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    schema["properties"].pop("images")
    file = {"type": "string", "format": "binary"}
    photos = {"type": "array", "items": file, "minItems": 1, "maxItems": 16}
    schema["properties"]["image"] = {**photos, "description": "the photos, each up to 32 MiB"}
    schema["required"] = [*schema.get("required", []), "image"]
    return schema
