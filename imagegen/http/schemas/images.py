"""POST /v1/images/generations: OpenAI's parameters and answer, and our own beside them.

Ranges that belong to a picture and not to the wire (prompt, size, steps, seed, recipe) are checked in one
place for every way in, imagegen/request.py; here they are only written into the OpenAPI document.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Quality = Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"]


class PictureFields(BaseModel):
    """What a picture is asked with, wherever one is asked for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: str = Field(
        description="what the picture shows; 1 to 32,000 characters",
        examples=["red leather handbag, studio product photo"],
        json_schema_extra={"minLength": 1, "maxLength": 32_000},
    )
    model: str | None = Field(None, description="a name from /v1/models; the server's own model unless given")
    size: str = Field(
        "auto",
        description='"auto" (the model\'s own) or "WIDTHxHEIGHT" of the finished picture, sides 64 to 8192',
        examples=["auto", "1024x1024"],
        json_schema_extra={"pattern": r"^\s*([aA][uU][tT][oO]|\d+\s*[xX×]\s*\d+)\s*$"},
    )
    quality: Quality = Field(
        "auto",
        description="sets the number of steps: low half of the model's own, medium (auto, standard) its own, "
        "high (hd) 2 times, xhigh 3 times, max 4 times as many",
    )
    background: Literal["auto", "opaque", "transparent"] = Field(
        "auto",
        description="transparent needs png or webp, and finishing; auto is the recipe's, which is white",
    )
    output_format: Literal["png", "jpeg", "webp"] = Field(
        "png", description="the file has an sRGB profile; with a preset, its format unless given"
    )
    seed: int | None = Field(
        None,
        description="the same seed gives the same picture on one machine; drawn at random unless given",
        json_schema_extra={"minimum": 0, "maximum": 2**32 - 1},
    )
    steps: int | None = Field(
        None,
        description="denoising steps instead of a quality",
        json_schema_extra={"minimum": 1, "maximum": 100},
    )
    recipe: dict[str, Any] | Literal[False] | None = Field(
        None,
        description="how the picture is finished (cutout, background, white_balance, exposure, fill, width, "
        "height, preset: a name from /v1/presets); false leaves the model's pixels as they are",
        examples=[{"fill": 0.85, "background": "white"}, {"preset": "amazon"}, False],
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_default(cls, body: object) -> object:
        if not isinstance(body, dict):
            return body
        nulls = {name for name in cls.model_fields if body.get(name, ...) is None}
        return {name: value for name, value in body.items() if name not in nulls}

    @field_validator("recipe", mode="before")
    @classmethod
    def _fields_or_false(cls, value: object) -> object:
        if value is not False and not isinstance(value, dict):
            raise ValueError("must be an object of recipe fields, or false for no finishing")
        return value


class ImageGeneration(PictureFields):
    """What to make. Unknown fields are refused; null stands for a field's default."""

    n: int = Field(1, ge=1, le=10, description="pictures; their seeds are seed, seed + 1, ...")
    output_compression: int | None = Field(
        None, ge=0, le=100, description="quality of jpeg and webp, 90 unless given; refused for png"
    )
    response_format: Literal["b64_json", "url"] = Field(
        "b64_json", description="url: the picture is kept on the server and fetched from /v1/artifacts"
    )
    stream: bool = Field(False, description="true: the answer is a stream of server-sent events")
    partial_images: int = Field(
        0,
        ge=0,
        le=3,
        description="events with the picture as it looks between its steps (at most one a step before the "
        "last); the model's own pixels, not finished. Needs stream",
    )
    moderation: Literal["auto", "low"] | None = Field(
        None, description="accepted and ignored: nothing is filtered"
    )
    style: Literal["vivid", "natural"] | None = Field(None, description="accepted and ignored")
    user: str | None = Field(None, description="accepted and ignored: not stored")
    safety_identifier: str | None = Field(None, description="accepted and ignored: not stored")


class TokenDetails(BaseModel):
    text_tokens: int
    image_tokens: int


class Usage(BaseModel):
    """Positions the transformer reads and writes: a prompt is always padded to the model's text length, and a
    picture has one position for each patch that the model generates before finishing, or looks at."""

    input_tokens: int
    input_tokens_details: TokenDetails
    output_tokens: int
    output_tokens_details: TokenDetails
    total_tokens: int


class PictureDetails(BaseModel):
    """How this picture came to be."""

    seed: int
    steps: int
    seconds: float = Field(description="seconds of work, without the wait in the queue")
    timings: dict[str, float] = Field(description="seconds by phase")
    generated_size: str = Field(description="the model's own pixels before finishing", examples=["256x256"])
    recipe: dict[str, Any] | None = Field(description="every field of the recipe as it was carried out")
    report: dict[str, Any] | None = Field(description="what each finishing step did")
    warnings: list[str] = Field(description="what could not be honoured in full, and finishing's notes")


class Picture(BaseModel):
    b64_json: str | None = Field(default=None, description="the file, in base64")
    url: str | None = Field(default=None, description="where the file can be fetched")
    imagegen: PictureDetails


class AnswerDetails(BaseModel):
    model: str
    ignored: list[str] = Field(description="fields of the request that were accepted and changed nothing")


class ImagesAnswer(BaseModel):
    """OpenAI's answer; `imagegen` is ours, which its client keeps as an extra member."""

    created: int = Field(description="Unix time")
    data: list[Picture]
    background: Literal["opaque", "transparent"] = Field(
        description="what the pictures have, not what was asked"
    )
    output_format: Literal["png", "jpeg", "webp"]
    quality: Literal["low", "medium", "high", "xhigh", "max"] | None = Field(
        description="null when steps were given"
    )
    size: str = Field(description="the pictures' real size", examples=["256x256"])
    usage: Usage
    imagegen: AnswerDetails


class PlaceDetails(BaseModel):
    """Which of the `n` pictures an event is about, and for a finished one how it came to be."""

    place: int = Field(description="0 to n - 1")
    model: str | None = None
    ignored: list[str] = Field(default=[], description="fields of the request that changed nothing")
    picture: PictureDetails | None = None


class PartialImageEvent(BaseModel):
    """OpenAI's event; the picture is the model's own, before finishing."""

    type: Literal["image_generation.partial_image", "image_edit.partial_image"]
    b64_json: str
    created_at: int
    partial_image_index: int
    background: Literal["opaque", "transparent"]
    output_format: Literal["png", "jpeg", "webp"]
    quality: Literal["low", "medium", "high", "xhigh", "max"] | None
    size: str
    imagegen: PlaceDetails


class PictureEvent(BaseModel):
    """OpenAI's event for a finished picture; there is one for each of the `n`."""

    type: Literal["image_generation.completed", "image_edit.completed"]
    b64_json: str
    created_at: int
    background: Literal["opaque", "transparent"]
    output_format: Literal["png", "jpeg", "webp"]
    quality: Literal["low", "medium", "high", "xhigh", "max"] | None
    size: str
    usage: Usage
    imagegen: PlaceDetails
