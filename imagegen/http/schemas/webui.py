"""/sdapi/v1: what the WebUI's tools send, and what they read."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Txt2Img(BaseModel):
    """What to make. Its tools send every field they know, so unknown ones are accepted, and named in the
    answer's `info` as ignored; null stands for a field's default."""

    model_config = ConfigDict(extra="allow")

    prompt: str = Field("", description="what the picture shows; 1 to 32,000 characters")
    negative_prompt: str = Field("", description="accepted and ignored: the model takes no guidance")
    seed: int = Field(-1, ge=-1, le=2**32 - 1, description="-1 draws one")
    steps: int | None = Field(None, description="1 to 100; the model's own number unless given")
    width: int | None = Field(None, description="of the finished picture, 64 to 8192; with height")
    height: int | None = None
    batch_size: int = Field(1, ge=1, le=10)
    n_iter: int = Field(1, ge=1, le=10, description="batch_size times n_iter pictures, 10 at most")
    send_images: bool = True
    save_images: bool = Field(False, description="keep the pictures on the server, under /v1/artifacts")
    override_settings: dict[str, Any] = Field(
        {}, description="sd_model_checkpoint and samples_format (png, jpg, webp) are honoured"
    )
    enable_hr: bool = Field(False, description="true is refused")
    restore_faces: bool = Field(False, description="true is refused")
    tiling: bool = Field(False, description="true is refused")
    styles: list[str] = Field([], description="refused unless empty")
    script_name: str | None = Field(None, description="refused")
    subseed_strength: float = Field(0, description="refused unless 0")
    alwayson_scripts: dict[str, Any] = Field({}, description="refused unless switched off")
    recipe: dict[str, Any] | Literal[False] | None = Field(
        None, description="ours: how the picture is finished, as in /v1/images/generations"
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_default(cls, body: object) -> object:
        if not isinstance(body, dict):
            return body
        return {name: value for name, value in body.items() if value is not None}


class Img2Img(Txt2Img):
    """What to make of a picture. Fields that only belong to a mask are ignored like others."""

    init_images: list[str] = Field([], description="one picture, in base64 or as a data: URL")
    denoising_strength: float = Field(0.75, ge=0, le=1, description="how much of it may change")
    resize_mode: int = Field(
        0, description="0 stretches it to the size, 1 crops it, 2 continues its border; others are refused"
    )
    mask: str | None = Field(None, description="refused: the whole picture is made anew")
    include_init_images: bool = Field(False, description="true: `parameters` shows init_images again")


class WebuiAnswer(BaseModel):
    """Pictures; `info` is JSON in a string, as the WebUI writes it."""

    images: list[str] = Field(description="files in base64")
    parameters: dict[str, Any] = Field(description="the request")
    info: str


class Options(BaseModel):
    """The settings that exist here."""

    model_config = ConfigDict(extra="forbid")

    sd_model_checkpoint: str = Field(description="the model of requests that name none, for this caller")
    samples_format: Literal["png", "jpg", "webp"] = "png"


class OptionsChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sd_model_checkpoint: str | None = None
    samples_format: Literal["png", "jpg", "webp"] | None = None


class SdModel(BaseModel):
    title: str
    model_name: str
    hash: str | None = None
    sha256: str | None = None
    filename: str = Field(description="the name again: paths of this machine are nobody's business")
    config: str | None = None


class Sampler(BaseModel):
    name: str
    aliases: list[str]
    options: dict[str, str]


class Scheduler(BaseModel):
    name: str
    label: str
    aliases: list[str] | None = None
    default_rho: float = -1
    need_inner_model: bool = False


class ProgressState(BaseModel):
    skipped: bool = False
    interrupted: bool = False
    job: str = ""
    job_count: int = Field(description="pictures of this caller that are being made or wait")
    job_timestamp: str = ""
    job_no: int = 0
    sampling_step: int
    sampling_steps: int


class Progress(BaseModel):
    progress: float = Field(ge=0, le=1, description="of all of this caller's pictures; 0 when idle")
    eta_relative: float = Field(ge=0, description="seconds")
    state: ProgressState
    current_image: str | None = None
    textinfo: str | None = None
