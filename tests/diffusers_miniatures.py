"""Random Stable Diffusion 3 and XL models of a few hundred kilobytes, written by diffusers and transformers
themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import pre_tokenizers


def make_sd3(folder: Path) -> Path:
    """64x64 pictures, any multiple of 16, without the third text encoder."""
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        SD3Transformer2DModel,
        StableDiffusion3Pipeline,
    )
    from transformers import CLIPTextModelWithProjection

    torch.manual_seed(0)
    StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel(
            sample_size=32,
            patch_size=2,
            in_channels=4,
            out_channels=4,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=4,
            caption_projection_dim=64,
            joint_attention_dim=32,
            pooled_projection_dim=64,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_autoencoder(AutoencoderKL, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06),
        text_encoder=CLIPTextModelWithProjection(_clip()),
        tokenizer=_tokenizer(),
        text_encoder_2=CLIPTextModelWithProjection(_clip()),
        tokenizer_2=_tokenizer(),
        text_encoder_3=None,
        tokenizer_3=None,
    ).save_pretrained(str(folder))
    return folder


def make_sdxl(folder: Path) -> Path:
    """64x64 pictures, any multiple of 8."""
    from diffusers import (
        AutoencoderKL,
        EulerDiscreteScheduler,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(0)
    StableDiffusionXLPipeline(
        unet=UNet2DConditionModel(
            block_out_channels=(8, 16),
            layers_per_block=1,
            sample_size=32,
            in_channels=4,
            out_channels=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            transformer_layers_per_block=(1, 1),
            projection_class_embeddings_input_dim=80,
            cross_attention_dim=64,
            norm_num_groups=2,
        ),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            steps_offset=1,
            timestep_spacing="leading",
        ),
        vae=_autoencoder(AutoencoderKL),
        text_encoder=CLIPTextModel(_clip()),
        tokenizer=_tokenizer(),
        text_encoder_2=CLIPTextModelWithProjection(_clip()),
        tokenizer_2=_tokenizer(),
    ).save_pretrained(str(folder))
    return folder


def _autoencoder(kind: Any, **options: Any) -> Any:
    """Four levels, so that a latent is eight pixels wide, as in the real ones."""
    return kind(
        block_out_channels=(4, 4, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=2,
        sample_size=64,
        **options,
    )


def _clip() -> Any:
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        bos_token_id=256,
        eos_token_id=257,
        pad_token_id=257,
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=3,
        vocab_size=600,
        hidden_act="gelu",
        projection_dim=32,
    )


def _tokenizer() -> Any:
    """CLIP's, letter by letter."""
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, "<|startoftext|>", "<|endoftext|>", *(f"{letter}</w>" for letter in letters)]
    return CLIPTokenizer(
        vocab={word: number for number, word in enumerate(words)}, merges=[], model_max_length=77
    )
