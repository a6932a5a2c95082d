"""A run's beginning from a checkpoint that was exported before, instead of from random weights.

Every phase then starts with the checkpoint's weights where it would have started with random ones, and the
autoencoder is the checkpoint's until its own phases run. Packed weights are unpacked to the values they
stand for: what they were rounded from is not in a checkpoint.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors import safe_open

from imagegen_kernels.formats import PackedWeight, dequantize
from imagegen_kernels.formats.layout import BITS
from training.state import save_state

PACKED, SCALES = ".packed", ".scales"
NETWORK = {"transformer": "transformer.", "text_encoder": "text_encoder."}


def start_from(checkpoint: Path, state_path: Path, tokenizer_path: Path) -> None:
    """Write the state a run starts from, and the checkpoint's tokenizer.

    The state holds `network` (as ConditionedTransformer names its parameters) and `autoencoder`, float32.
    """
    network = {
        prefix + name: value
        for component, prefix in NETWORK.items()
        for name, value in read_component(checkpoint / component).items()
    }
    shutil.copy(checkpoint / "tokenizer" / "tokenizer.json", tokenizer_path)
    save_state(state_path, {"network": network, "autoencoder": read_component(checkpoint / "vae")})


def read_component(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of one component folder by name; floating point ones in float32, packed ones unpacked."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    stored: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            stored |= {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    if not stored:
        raise FileNotFoundError(f"{folder}: holds no *.safetensors")
    found = {}
    for name, value in stored.items():
        if name.endswith(PACKED):
            base = name.removesuffix(PACKED)
            found[base] = _unpacked(value, stored[base + SCALES], config["quantization_config"])
        elif not name.endswith(SCALES):
            found[name] = value.float() if value.is_floating_point() else value
    return found


def _unpacked(packed: torch.Tensor, scales: torch.Tensor, quantization: dict[str, str | int]) -> torch.Tensor:
    kind = quantization["format"]
    columns = packed.shape[1] * 8 // BITS[kind]  # type: ignore[index]
    group = columns // scales.shape[1]
    return dequantize(PackedWeight(packed, scales, kind, (packed.shape[0], columns), group))  # type: ignore[arg-type]
