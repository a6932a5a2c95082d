"""What the owner of the machine decides, once, for every request: frozen, and unknown keys are refused.

Read from the environment (IMAGEGEN_HOST, IMAGEGEN_PORT, ...) and from what the caller passes; the caller
wins.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_data_path
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from imagegen import __version__
from imagegen.errors import SettingsInvalid

ENV_PREFIX = "IMAGEGEN_"


def default_data_dir() -> Path:
    """Where artifacts and job records live: the platform's own place, ~/.local/share/imagegen on Linux."""
    return user_data_path("imagegen", appauthor=False)


class Settings(BaseSettings):
    """Every setting, its range and its default."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    host: str = Field(
        "127.0.0.1", description="address the server binds; anything but loopback needs api_keys"
    )
    port: int = Field(8484, ge=0, le=65535, description="port the server binds; 0 takes a free one")
    api_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="accepted API keys, separated by commas"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="pages that may use the server from a browser, as https://shop.example; none unless set",
    )
    private_addresses: bool = Field(
        False, description="let webhooks go to http and to addresses that are not on the public internet"
    )
    audit: bool = Field(True, description="write who asked for what into the audit log")
    audit_prompts: bool = Field(False, description="write prompts into it too")
    metrics: Literal["guarded", "open", "off"] = Field(
        "guarded",
        description="who reads /metrics: a key with the scope admin, everybody who reaches it, nobody",
    )
    log_format: Literal["text", "json"] = Field("text", description="logs of a server or worker")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "warning", description="info has a line for every request"
    )
    log_prompts: bool = Field(False, description="write prompts into those lines")
    opentelemetry: bool = Field(
        False, description="send traces and metrics where OTEL_EXPORTER_OTLP_ENDPOINT says; the extra `otel`"
    )
    model: str = Field("starter", min_length=1, description="model used when a request names none")
    data_dir: Path = Field(default_factory=default_data_dir, description="artifacts and job records")
    models_dir: Path = Field(
        default_factory=lambda settings: settings["data_dir"] / "models",
        description="folder of checkpoints; each folder in it is a model",
    )
    database_url: str | None = Field(
        None, description="SQLAlchemy URL of the jobs database; none is SQLite in data_dir"
    )
    artifacts_url: str | None = Field(
        None, description="s3://bucket/prefix for pictures; none is the folder artifacts in data_dir"
    )
    artifacts_endpoint: str | None = Field(None, description="address of an S3-compatible store")
    retention_days: float | None = Field(
        None,
        gt=0,
        description="days after which jobs, batches, prompts and pictures are deleted; none keeps them",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the model runs")
    kernels: Literal["auto", "reference"] = Field(
        "auto", description="on a GPU: our own kernels where the card has them, or plain PyTorch"
    )
    cuda_graphs: bool = Field(
        True,
        description="on a GPU: record a step of each shape and replay it, where there is memory for that",
    )
    threads: int | None = Field(
        None, ge=1, le=1024, description="CPU threads of the model; none leaves it to torch"
    )
    non_commercial_models: bool = Field(
        False, description="let cut-outs use models whose licence forbids commercial use or does not state it"
    )
    queue_size: int = Field(
        32, ge=1, le=100_000, description="pictures that may wait before requests are refused"
    )
    jobs_size: int = Field(
        10_000, ge=1, le=10_000_000, description="jobs that may wait in the durable queues in all"
    )
    jobs_per_key: int = Field(
        5_000, ge=1, le=10_000_000, description="jobs of one API key that may wait in the durable queues"
    )
    drain_notice: float = Field(
        0, ge=0, le=600, description="how long /readyz says no before a stopping server refuses connections"
    )
    batch_pictures: int = Field(
        100_000, ge=1, le=10_000_000, description="pictures of one catalogue that is handed in over HTTP"
    )
    batch_megabytes: int = Field(
        256, ge=1, le=1 << 20, description="size of a catalogue that is handed in over HTTP"
    )
    drain_seconds: float = Field(
        30, ge=0, le=3600, description="how long running jobs are waited for when a server or worker stops"
    )
    batch_memory_mb: int | None = Field(
        None, ge=1, description="megabytes that pictures denoised together may take beside the model"
    )
    text_encoder: Literal["auto", "keep", "evict"] = Field(
        "auto",
        description="whether the text encoder stays in memory after its work; auto: where there is room",
    )
    prompt_cache_mb: int = Field(
        64, ge=0, le=1 << 20, description="megabytes of encoded prompts kept in memory; 0 keeps none"
    )
    idle_seconds: float | None = Field(
        None, gt=0, description="without work for so long, the model leaves the memory; none keeps it"
    )
    stall_seconds: float = Field(
        600, gt=0, description="a device that has not moved for so long makes /readyz say no"
    )
    cache_mb: int = Field(
        0, ge=0, le=1 << 20, description="megabytes of pictures kept for the same request; 0 keeps none"
    )
    watermark: bool = Field(True, description="put the invisible watermark into generated pictures")
    content_credentials: bool = Field(
        False, description="sign files (C2PA), with a certificate made on this machine unless one is given"
    )
    certificate: Path | None = Field(
        None, description="PEM certificate chain that files are signed with; needs certificate_key"
    )
    certificate_key: Path | None = Field(None, description="PEM private key of that certificate")
    max_batch: int = Field(4, ge=1, le=64, description="compatible pictures denoised together")

    @property
    def tiles_dir(self) -> Path:
        """What `imagegen tune` measured with this version."""
        return self.data_dir / "tuned" / __version__

    @field_validator("api_keys", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            tuple(key.strip() for key in value.split(",") if key.strip()) if isinstance(value, str) else value
        )


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment and `overrides` (None leaves a setting as it is).

    Raises SettingsInvalid naming the setting.
    """
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith(ENV_PREFIX) and name not in known:
            raise SettingsInvalid("is no setting", field=name, hint="known: " + ", ".join(sorted(known)))
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        where = str(first["loc"][0]) if first["loc"] else "settings"
        raise SettingsInvalid(
            first["msg"], field=where, hint=f"set it with {ENV_PREFIX}{where.upper()}"
        ) from error
