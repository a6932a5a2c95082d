"""How much memory a picture takes on a CPU, from what the manifest says: an estimate, before anything is
loaded."""

from __future__ import annotations

import json
from typing import Any

from imagegen.weights.catalog import ModelCard
from imagegen.weights.locate import read_json

BASE = 500_000_000
"""The process itself: Python, torch, the picture library."""

_DENSE = ("F32", "F16", "BF16")
_DENSE_BYTES = 2
_PACKED = {"binary": 1.125 / 8, "ternary": 2.125 / 8, "int4": 4.125 / 8}
"""Bytes a weight, scales of groups of 128 included; int8 takes 1."""

_KEPT_CODES = 4 << 20
"""`imagegen_kernels.matmul.cpu.KEPT_CODES`, which cannot be read without importing torch."""


def memory_needed(card: ModelCard, components: dict[str, Any], width: int, height: int) -> int:
    """Bytes at the peak of a picture of width x height pixels, all networks kept.

    Weights: what the packed ones of a large transformer take as they are, since each call unpacks its own
    (docs/decisions/009), and a byte more for each of a small one, whose int8 codes are kept; two bytes for a
    dense one of a large network; the table of the text encoder stays in its file. On top the larger of two
    working sets: a single-stream block's inputs and outputs for every token, or the decoder's two widest
    levels at full size.
    """
    config = read_json(card.path / "transformer" / "config.json")
    wide = int(config["num_attention_heads"]) * int(config["attention_head_dim"])
    kept = 1 if wide**2 <= _KEPT_CODES else 0
    weights = sum(
        facts["weights"] * (_DENSE_BYTES if kind in _DENSE else _PACKED.get(kind, 1) + kept)
        for name, parts in components.items()
        for kind, facts in parts["formats"].items()
        if name != "vae"
    )
    weights += components["vae"]["bytes"] - _table(card) * 2
    tokens = card.text_length + (width // card.multiple) * (height // card.multiple)
    denoise = tokens * wide * (6 + 4 * float(config.get("mlp_ratio", 3.0))) * 4
    channels = json.loads((card.path / "vae" / "config.json").read_text()).get("block_out_channels", [128])
    decode = width * height * int(channels[0]) * 2 * 6
    return int(BASE + weights + max(denoise, decode))


def _table(card: ModelCard) -> int:
    config = read_json(card.path / "text_encoder" / "config.json")
    return int(config["vocab_size"]) * int(config["hidden_size"])
