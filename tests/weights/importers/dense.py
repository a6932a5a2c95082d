"""What an import wrote, as floating point again."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from imagegen.weights.importers.convert import Converted
from imagegen_kernels.formats import Format, PackedWeight, dequantize


def as_dense(kept: Converted) -> Tensor:
    if kept.format is None:
        return kept.tensors[""]
    return unpack(kept.tensors, *kept.format)


def unpack(parts: dict[str, Tensor], format: Format, group_size: int | None) -> Tensor:
    base3 = ".base3" in parts
    packed, scales = parts[".base3" if base3 else ".packed"], parts[".scales"]
    columns = scales.shape[1] * group_size if group_size else packed.shape[1]
    shape = (len(packed), columns)
    zeros = parts.get(".zero_points")
    return dequantize(PackedWeight(packed, scales, format, shape, group_size or columns, zeros, base3))


def dense_state(folder: Path, component: str = "transformer") -> dict[str, Tensor]:
    """The tensors of a component, packed linears in float32, under our names."""
    (file,) = (folder / component).glob("*.safetensors")
    quantization = json.loads((folder / component / "config.json").read_text()).get("quantization_config", {})
    state: dict[str, Tensor] = {}
    packed: dict[str, dict[str, Tensor]] = {}
    for name, tensor in load_file(file).items():
        module, weight, leaf = name.partition(".weight.")
        if weight:
            packed.setdefault(module, {})[f".{leaf}"] = tensor
        else:
            state[name] = tensor
    for module, parts in packed.items():
        own = quantization.get("layers", {}).get(module, quantization)
        group = own["group_size"] if isinstance(own["group_size"], int) else None
        state[f"{module}.weight"] = unpack(parts, own["format"], group)
    return state


def expected_state(folder: Path) -> dict[str, Tensor]:
    """The transformer of a checkpoint in diffusers layout under our names."""
    from imagegen.networks.transformer import Transformer

    state = load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors")
    whole: dict[str, Tensor] = {}
    for name, tensor in state.items():
        module, _, leaf = name.rpartition(".")
        parent, _, child = module.rpartition(".")
        for fused, parts in Transformer.FUSED.items():
            if child == parts[0]:
                whole[f"{parent}.{fused}.{leaf}"] = torch.cat(
                    [state[f"{parent}.{part}.{leaf}"] for part in parts]
                )
        if not any(child in parts for parts in Transformer.FUSED.values()):
            whole[name] = tensor
    return whole
