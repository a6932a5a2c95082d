"""Write the checkpoint in diffusers layout, with ternary transformer and int8 text encoder linears.

The folder is built beside its target and swapped in whole. `dense=True` writes the same values unpacked, as
float32, in the form that diffusers and transformers load without us: the reference for parity checks.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLFlux2
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn

from imagegen_kernels.formats import (
    TERNARY_GROUP,
    PackedWeight,
    dequantize,
    pack_ternary,
    quantize_int8,
)
from training.networks import OUT_LAYERS, TEXT_LENGTH, ConditionedTransformer, build_scheduler
from training.ternary import ternary_linears, ternary_parts
from training.tokenizer import save_tokenizer

LICENCE = "Apache-2.0 for weights and recipe; the training photos keep their own terms, see DATA_CARD.md"
SOURCE = "trained from scratch by training/ of this repository; taef2 (MIT) supplied the latent space"
TEXT_ENCODER_KEYS = (
    "model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
    "num_attention_heads", "num_key_value_heads", "head_dim", "hidden_act", "max_position_embeddings",
    "initializer_range", "rms_norm_eps", "tie_word_embeddings", "rope_parameters", "attention_bias",
    "attention_dropout", "pad_token_id", "bos_token_id", "eos_token_id",
)  # fmt: skip
CARDS = ("MODEL_CARD.md", "DATA_CARD.md")


def export(
    network: ConditionedTransformer,
    autoencoder: AutoencoderKLFlux2,
    tokenizer: Tokenizer,
    target: Path,
    cards: Path,
    dense: bool = False,
) -> None:
    """Write the whole checkpoint to `target`, replacing what is there; `cards` holds the two cards."""
    draft = target.with_name(target.name + ".partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    _write_json(
        draft / "model_index.json",
        {
            "_class_name": "Flux2KleinPipeline",
            "_diffusers_version": "0.42.1",
            "is_distilled": True,
            "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
            "text_encoder": ["transformers", "Qwen3ForCausalLM"],
            "tokenizer": ["transformers", "Qwen2TokenizerFast"],
            "transformer": ["diffusers", "Flux2Transformer2DModel"],
            "vae": ["diffusers", "AutoencoderKLFlux2"],
        },
    )
    _write_transformer(network, draft / "transformer", dense)
    _write_text_encoder(network, draft / "text_encoder", dense)
    save_tokenizer(tokenizer, draft / "tokenizer")
    _write_autoencoder(autoencoder, draft / "vae", dense)
    build_scheduler().save_pretrained(draft / "scheduler")
    for card in CARDS:
        shutil.copy(cards / card, draft / card)
    _write_json(draft / "imagegen.json", _description(draft))
    if target.exists():
        shutil.rmtree(target)
    draft.replace(target)


def _write_transformer(network: ConditionedTransformer, folder: Path, dense: bool) -> None:
    packed = {}
    for name, linear in ternary_linears(network.transformer).items():
        codes, scales = ternary_parts(linear.weight)
        flat = codes.reshape(linear.weight.shape)
        shape = (flat.shape[0], flat.shape[1])
        packed[name] = PackedWeight(pack_ternary(flat), scales, "ternary", shape, TERNARY_GROUP)
    config = {key: value for key, value in network.transformer.config.items() if not key.startswith("_")}
    config = {"_class_name": "Flux2Transformer2DModel", "_diffusers_version": "0.42.1", **config}
    _write_component(
        folder,
        "diffusion_pytorch_model.safetensors",
        network.transformer,
        packed,
        config,
        TERNARY_GROUP,
        dense,
    )


def _write_text_encoder(network: ConditionedTransformer, folder: Path, dense: bool) -> None:
    packed = {
        name: quantize_int8(module.weight, group_size=module.in_features)
        for name, module in network.text_encoder.named_modules()
        if isinstance(module, nn.Linear) and ".layers." in name
    }
    config = network.text_encoder.config.to_dict()
    config = {"architectures": ["Qwen3ForCausalLM"], **{key: config[key] for key in TEXT_ENCODER_KEYS}}
    _write_component(folder, "model.safetensors", network.text_encoder, packed, config, "row", dense)


def _write_autoencoder(autoencoder: AutoencoderKLFlux2, folder: Path, dense: bool) -> None:
    config = {key: value for key, value in autoencoder.config.items() if not key.startswith("_")}
    config = {"_class_name": "AutoencoderKLFlux2", "_diffusers_version": "0.42.1", **config}
    _write_component(folder, "diffusion_pytorch_model.safetensors", autoencoder, {}, config, "", dense)


def _write_component(
    folder: Path,
    file: str,
    module: nn.Module,
    packed: dict[str, PackedWeight],
    config: dict[str, Any],
    group_size: int | str,
    dense: bool,
) -> None:
    """One safetensors file and its config.json; `packed` weights go in packed, the rest as float16."""
    tensors = {}
    for name, value in module.state_dict().items():
        linear = name.removesuffix(".weight")
        if name == "lm_head.weight":  # tied to the embedding
            continue
        if linear in packed and name.endswith(".weight"):
            if dense:
                tensors[name] = dequantize(packed[linear])
            else:
                tensors[f"{name}.packed"] = packed[linear].packed
                tensors[f"{name}.scales"] = packed[linear].scales
        elif value.is_floating_point():
            half = value.to(torch.float16)
            if not bool(torch.isfinite(half).all()):
                raise ValueError(f"{name} does not fit float16")
            tensors[name] = half.float() if dense else half
        else:
            tensors[name] = value
    if packed and not dense:
        kind = next(iter(packed.values())).format
        config = {
            **config,
            "quantization_config": {"quant_method": "imagegen", "format": kind, "group_size": group_size},
        }
    folder.mkdir()
    weights = folder / file
    save_file(
        {name: value.contiguous() for name, value in tensors.items()},
        weights,
        metadata={"format": "pt"},
    )
    weights.chmod(0o644)  # safetensors leaves files that only their owner can read
    _write_json(folder / "config.json", config)


def _description(folder: Path) -> dict[str, Any]:
    weights = sorted(folder.rglob("*.safetensors"))
    return {
        "name": "starter",
        "architecture": "flux2-klein",
        "format_version": 1,
        "licence": LICENCE,
        "source": SOURCE,
        "defaults": {
            "steps": 4,
            "width": 256,
            "height": 256,
            "text_length": TEXT_LENGTH,
            "text_encoder_out_layers": list(OUT_LAYERS),
            "guidance": 1.0,
        },
        "sizes": [[256, 256]],
        "references": 0,  # no training picture had a photo beside it
        "weights_sha256": {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in weights
        },
    }


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
