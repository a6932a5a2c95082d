"""The settings of a cut-out run, from one YAML file; unknown keys are refused."""

from dataclasses import dataclass, fields
from pathlib import Path

import yaml


@dataclass(frozen=True)
class CutOutConfig:
    """catalogue, photos: parquets, relative to the data folder. seconds: of training, wall time.

    encoder_share: of the learning rate, for the encoder, which starts from ImageNet. ema_halflife: of the
    moving average, in samples. on_sheets: share of pictures on a shop's plain sheet, 0..1. frozen_stages: of
    the encoder, 0 to 6, that stay as they were. shapes: [width, height] of the batches in pixels, multiples
    of 32; each batch draws one.
    """

    seed: int
    catalogue: str
    photos: str
    device: str
    threads: int
    seconds: int
    batch: int
    learning_rate: float
    encoder_share: float
    ema_halflife: int
    evidence: bool
    on_sheets: float
    frozen_stages: int
    bfloat16: bool
    shapes: list[list[int]]


def load_cut_out_config(path: Path) -> CutOutConfig:
    """Read a config; raises ValueError naming what is missing or unknown."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    known = {field.name for field in fields(CutOutConfig)}
    if not isinstance(raw, dict) or raw.keys() != known:
        wrong = ", ".join(sorted(set(raw) ^ known)) if isinstance(raw, dict) else "not a mapping"
        raise ValueError(f"{path}: missing or unknown keys: {wrong}")
    return CutOutConfig(**raw)
