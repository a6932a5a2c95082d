"""The starter's networks in the classes whose layouts it ships: diffusers and transformers.

Sizes are the starter's own; the wiring (chat template, stacked hidden states, 4-axis positions, patchified
latents) is Flux2KleinPipeline's.
"""

import logging

import torch
from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler, Flux2Transformer2DModel
from tokenizers import Tokenizer
from torch import nn
from transformers import Qwen3Config, Qwen3ForCausalLM

from training.tokenizer import PAD, chat_prompt

log = logging.getLogger(__name__)

TEXT_LENGTH = 48
OUT_LAYERS = (1, 2, 4)
LATENT_CHANNELS = 32
TOKEN_CHANNELS = 4 * LATENT_CHANNELS  # 2x2 patches
SIGMAS = (1.0, 0.9, 0.75, 0.5, 0.0)  # what build_scheduler() gives for four steps
GRID = 8  # tokens a side at the native 256x256


def build_transformer() -> Flux2Transformer2DModel:
    """Width 384, 2 double-stream and 4 single-stream blocks: 18 M parameters, every K a multiple of 128."""
    transformer = Flux2Transformer2DModel(
        patch_size=1,
        in_channels=TOKEN_CHANNELS,
        num_layers=2,
        num_single_layers=4,
        attention_head_dim=64,
        num_attention_heads=6,
        joint_attention_dim=768,
        timestep_guidance_channels=256,
        mlp_ratio=3.0,
        axes_dims_rope=(16, 16, 16, 16),
        rope_theta=2000,
        guidance_embeds=False,
    )
    nn.init.zeros_(transformer.proj_out.weight)
    return transformer


def build_text_encoder(vocabulary_size: int, pad_token: int) -> Qwen3ForCausalLM:
    """Four Qwen3 layers of width 256; the embedding starts large enough for layer 1 to be told apart."""
    encoder = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=vocabulary_size,
            hidden_size=256,
            intermediate_size=768,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=64,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            pad_token_id=pad_token,
            bos_token_id=None,
            eos_token_id=None,
            initializer_range=0.04,
        )
    )
    nn.init.normal_(encoder.model.embed_tokens.weight, std=0.5)
    return encoder


def build_autoencoder() -> AutoencoderKLFlux2:
    """Five levels (f16): 256x256 pixels <-> 32 channels at 16x16, the latents FLUX.2 has for 128x128."""
    return AutoencoderKLFlux2(
        down_block_types=("DownEncoderBlock2D",) * 5,
        up_block_types=("UpDecoderBlock2D",) * 5,
        block_out_channels=(16, 32, 64, 64, 64),
        decoder_block_out_channels=(16, 32, 64, 64, 64),
        layers_per_block=2,
        norm_num_groups=8,
        latent_channels=LATENT_CHANNELS,
        sample_size=256,
        mid_block_add_attention=True,
    )


def build_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Static shift 3: four steps run at sigma 1, 0.9, 0.75, 0.5 whatever `mu` the pipeline passes."""
    return FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=False)


class ConditionedTransformer(nn.Module):
    """Text encoder and transformer, trained as one; token ids in, velocity of the latents out."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        pad_token = tokenizer.token_to_id(PAD)
        if pad_token is None:
            raise ValueError(f"the tokenizer has no {PAD}")
        self.tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self.pad_token = pad_token
        self.text_encoder = build_text_encoder(tokenizer.get_vocab_size(), pad_token)
        self.transformer = build_transformer()

    def tokenize(self, prompts: list[str], length: int = TEXT_LENGTH) -> tuple[torch.Tensor, torch.Tensor]:
        """Prompts -> ids and attention mask, int64 [B, length] each; longer prompts lose their end."""
        self.tokenizer.enable_truncation(length)
        self.tokenizer.enable_padding(length=length, pad_id=self.pad_token, pad_token=PAD)
        encodings = self.tokenizer.encode_batch([chat_prompt(prompt) for prompt in prompts])
        ids = torch.tensor([encoding.ids for encoding in encodings])
        return ids, torch.tensor([encoding.attention_mask for encoding in encodings])

    def embed(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Ids and mask [B, L] -> prompt embeddings [B, L, 768]: hidden states 1, 2 and 4 side by side."""
        states = self.text_encoder.model(
            input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False
        ).hidden_states
        return torch.cat([states[layer] for layer in OUT_LAYERS], dim=-1)

    def velocity(self, tokens: torch.Tensor, sigma: torch.Tensor, embeds: torch.Tensor) -> torch.Tensor:
        """Noisy tokens [B, 64, 128] at sigma [B] (1 = noise) -> d(tokens)/d(sigma) [B, 64, 128]."""
        axis = torch.arange(GRID, device=tokens.device)
        zero = axis[:1]
        image_ids = torch.cartesian_prod(zero, axis, axis, zero)
        text_ids = torch.cartesian_prod(zero, zero, zero, torch.arange(embeds.shape[1], device=tokens.device))
        predicted: torch.Tensor = self.transformer(
            hidden_states=tokens,
            encoder_hidden_states=embeds,
            timestep=sigma,
            img_ids=image_ids,
            txt_ids=text_ids,
            guidance=None,
            return_dict=False,
        )[0]
        return predicted


def patchify(latents: torch.Tensor) -> torch.Tensor:
    """Latents [B, 32, 2h, 2w] -> tokens [B, h*w, 128], channel = (c, row, column) of the 2x2 patch."""
    batch, channels, height, width = latents.shape
    patches = latents.reshape(batch, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return patches.reshape(batch, height * width // 4, channels * 4)


def unpatchify(tokens: torch.Tensor, grid: int = GRID) -> torch.Tensor:
    """The inverse of `patchify` for a square of `grid` tokens a side."""
    batch, _, channels = tokens.shape
    patches = tokens.reshape(batch, grid, grid, channels // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return patches.reshape(batch, channels // 4, grid * 2, grid * 2)
