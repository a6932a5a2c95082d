"""The run's settings, from one YAML file; unknown keys are refused."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class AutoencoderPhase:
    """seconds: wall time; crop: side of the training crops in latents (16 = whole picture).

    levels: decoder levels that run; 5 is all of them.
    """

    seconds: int
    batch: int
    crop: int
    levels: int
    learning_rate: float


@dataclass(frozen=True)
class TextPhase:
    """seconds: wall time; text_length: tokens padded to."""

    seconds: int
    batch: int
    learning_rate: float
    text_length: int


@dataclass(frozen=True)
class FlowPhase:
    """seconds: wall time; shift: sigma' = shift * s / (1 + (shift - 1) * s) of logit-normal sigmas.

    guidance: scale trained into the velocity (1 = none).
    ternary: block linears are quantised in the forward pass.
    few_step: only the four sigmas of inference, to spend little compute where it is used.
    """

    seconds: int
    batch: int
    learning_rate: float
    shift: float
    ema_halflife: int
    guidance: float
    ternary: bool
    few_step: bool


@dataclass(frozen=True)
class Config:
    """One run. Lengths of phases are in seconds of wall time; paths come from the command line."""

    seed: int
    vocabulary_size: int
    parquets: list[str]
    device: str
    coarse: AutoencoderPhase
    decoder: AutoencoderPhase
    encoder: AutoencoderPhase
    text: TextPhase
    flow: FlowPhase
    guided: FlowPhase


def load_config(path: Path) -> Config:
    """Read a config; raises ValueError naming what is missing or unknown."""
    config: Config = _build(Config, yaml.safe_load(path.read_text(encoding="utf-8")), str(path))
    return config


def _build(cls: type[Any], raw: Any, where: str) -> Any:
    if not isinstance(raw, dict):
        raise ValueError(f"{where}: expected a mapping")
    known: dict[str, Any] = {field.name: field.type for field in fields(cls)}
    if raw.keys() != known.keys():
        wrong = ", ".join(sorted(raw.keys() ^ known.keys()))
        raise ValueError(f"{where}: missing or unknown keys: {wrong}")
    values = {}
    for name, value in raw.items():
        values[name] = _build(known[name], value, f"{where}: {name}") if isinstance(value, dict) else value
    return cls(**values)
