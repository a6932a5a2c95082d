"""A random FLUX.2 [klein] of a few hundred kilobytes, written by diffusers and transformers themselves.

The reference of the parity tests, and a working model for every test that needs one before or without the
bundled starter.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import pre_tokenizers

from imagegen_kernels.formats import PackedWeight, dequantize, quantize_int8, quantize_ternary

TEXT_LENGTH = 64
OUT_LAYERS = (1, 2, 3)
SIZE = 64

# One user message in Qwen3's frame; the real template does the same and, besides, tools and system prompts.
CHAT_TEMPLATE = """{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""


def make_miniature(
    folder: Path, *, width: int = 128, dynamic_shift: bool = False, small_decoder: bool = False, seed: int = 0
) -> Path:
    """Write a complete random checkpoint in diffusers layout: 64x64 pictures (any multiple of 8), 64 tokens
    of text, float32.

    `width` is that of the transformer; 128 is the least that ternary packing takes. `small_decoder` gives the
    autoencoder a decoder narrower than its encoder.
    """
    from diffusers import (
        AutoencoderKLFlux2,
        FlowMatchEulerDiscreteScheduler,
        Flux2KleinPipeline,
        Flux2Transformer2DModel,
    )
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer()
    transformer = Flux2Transformer2DModel(
        in_channels=32,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=32,
        num_attention_heads=width // 32,
        joint_attention_dim=3 * 128,
        timestep_guidance_channels=64,
        mlp_ratio=2.0,
        axes_dims_rope=(8, 8, 8, 8),
        guidance_embeds=False,
    )
    text_encoder = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer.get_vocab()),
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=32,
            tie_word_embeddings=True,
        )
    )
    levels = 3
    vae = AutoencoderKLFlux2(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=(16, 24, 32),
        decoder_block_out_channels=(8, 16, 24) if small_decoder else None,
        layers_per_block=1,
        latent_channels=8,
        norm_num_groups=4,
        sample_size=SIZE,
    )
    vae.bn.running_mean.normal_(0, 0.1)
    vae.bn.running_var.uniform_(0.5, 1.5)
    scheduler = FlowMatchEulerDiscreteScheduler(
        shift=3.0, use_dynamic_shifting=dynamic_shift, time_shift_type="exponential"
    )
    _liven(transformer, text_encoder, vae)
    Flux2KleinPipeline(
        scheduler=scheduler,
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        transformer=transformer,
        is_distilled=True,
    ).save_pretrained(str(folder))
    _write(
        folder / "imagegen.json",
        {
            "name": folder.name,
            "architecture": "flux2-klein",
            "format_version": 1,
            "licence": "Apache-2.0",
            "source": "random numbers",
            "defaults": {
                "steps": 4,
                "width": SIZE,
                "height": SIZE,
                "text_length": TEXT_LENGTH,
                "text_encoder_out_layers": list(OUT_LAYERS),
                "guidance": 1.0,
            },
            "sizes": None,
        },
    )
    return folder


def quantize_miniature(dense: Path, packed: Path, dequantized: Path) -> None:
    """From the miniature in `dense`: one in `packed` with ternary transformer blocks and an int8 text encoder
    (one scale a row), and one in `dequantized` with the same weights in float32."""
    import shutil

    shutil.copytree(dense, packed)
    shutil.copytree(dense, dequantized)
    for component, file, format in (
        ("transformer", "diffusion_pytorch_model.safetensors", "ternary"),
        ("text_encoder", "model.safetensors", "int8"),
    ):
        state = load_file(dense / component / file)
        small: dict[str, torch.Tensor] = {}
        plain: dict[str, torch.Tensor] = {}
        for name, tensor in state.items():
            if not _is_block_linear(name, tensor):
                small[name] = plain[name] = tensor
                continue
            weight: PackedWeight = (
                quantize_ternary(tensor) if format == "ternary" else quantize_int8(tensor, tensor.shape[1])
            )
            small[f"{name}.packed"], small[f"{name}.scales"] = weight.packed, weight.scales
            plain[name] = dequantize(weight)
        save_file(small, packed / component / file)
        save_file(plain, dequantized / component / file)
        config = json.loads((packed / component / "config.json").read_text())
        config["quantization_config"] = {
            "quant_method": "imagegen",
            "format": format,
            "group_size": 128 if format == "ternary" else "row",
        }
        _write(packed / component / "config.json", config)


def _is_block_linear(name: str, tensor: torch.Tensor) -> bool:
    return tensor.ndim == 2 and any(part in name for part in ("transformer_blocks.", "model.layers."))


def _liven(*networks: Any) -> None:
    """Random norm weights and biases (ones and zeros would hide one that is not used) and weights that carry:
    as they are initialised, a prompt would hardly change the picture."""
    for network in networks:
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
            else:
                fan_in = parameter[0].numel() if parameter.shape[0] > 1 else 1
                parameter.data.normal_(0, fan_in**-0.5)


def _tokenizer() -> Any:
    """Qwen2's tokenizer, byte by byte: without merges any text is its UTF-8 bytes."""
    from transformers import Qwen2TokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Qwen2TokenizerFast(
        vocab={letter: number for number, letter in enumerate(letters)},
        merges=[],
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
    )
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
