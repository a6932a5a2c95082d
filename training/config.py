"""The run's settings, from one YAML file; unknown keys are refused."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class AutoencoderPhase:
    """seconds: wall time; levels: decoder levels that run, 5 is all of them (the encoder always runs all)."""

    seconds: int
    batch: int
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

    ema_halflife: of the moving average, in samples.
    """

    seconds: int
    batch: int
    learning_rate: float
    shift: float
    ema_halflife: int


@dataclass(frozen=True)
class DistilPhase:
    """seconds: wall time; substeps: Euler steps of the teacher in each of the student's four.

    guidance: scale of the teacher's classifier-free guidance (1 = none).
    """

    seconds: int
    batch: int
    learning_rate: float
    ema_halflife: int
    substeps: int
    guidance: float


@dataclass(frozen=True)
class Config:
    """One run. Lengths of phases are in seconds of wall time; paths come from the command line."""

    seed: int
    vocabulary_size: int
    parquets: list[str]
    device: str
    coarse: AutoencoderPhase
    middle: AutoencoderPhase
    decoder: AutoencoderPhase
    encoder: AutoencoderPhase
    text: TextPhase
    flow: FlowPhase
    student: DistilPhase
    ternary: DistilPhase


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
