"""FLUX.2 [klein]'s transformer: double-stream blocks (text and image apart, joint attention), then
single-stream blocks.

Layer names are those of diffusers' `Flux2Transformer2DModel` state dict, except that projections of the same
input are one linear here (`FUSED`): their activations are quantised once and one product runs instead of
three. What depends on the timestep alone (`modulations`), on the prompt alone (`embed_text`) or on the size
alone (`rotary`) is its own call, so that the denoising loop does not repeat it. Knows nothing of schedules,
noise or files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from imagegen.networks.quantized_linear import project, project_gated, project_residual
from imagegen_kernels import attention, qk_rope
from imagegen_kernels.modulate import Modulated

REFERENCE_TIME = 10
"""Steps on the time axis between the picture and its first reference, and from one reference to the next."""


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """The keys of transformer/config.json that shape the network. Raises ValueError for what it cannot
    run."""

    in_channels: int
    num_layers: int
    num_single_layers: int
    attention_head_dim: int
    num_attention_heads: int
    joint_attention_dim: int
    axes_dims_rope: tuple[int, ...]
    rope_theta: float = 2000
    timestep_guidance_channels: int = 256
    mlp_ratio: float = 3.0
    eps: float = 1e-6
    patch_size: int = 1
    out_channels: int | None = None
    guidance_embeds: bool = True

    def __post_init__(self) -> None:
        if self.guidance_embeds:
            raise ValueError("guidance_embeds true is not supported: only [klein] models are")
        if self.patch_size != 1 or self.out_channels not in (None, self.in_channels):
            raise ValueError(
                "patch_size other than 1 and out_channels other than in_channels are not supported"
            )
        if len(self.axes_dims_rope) != 4 or sum(self.axes_dims_rope) != self.attention_head_dim:
            raise ValueError("axes_dims_rope must be four numbers that sum to attention_head_dim")

    @property
    def width(self) -> int:
        return self.num_attention_heads * self.attention_head_dim

    @property
    def mlp_width(self) -> int:
        return int(self.width * self.mlp_ratio)


class Stream(NamedTuple):
    """Modulation of one residual branch, each [1, 1, width]: LayerNorm(x) * (1 + scale) + shift, then x +
    gate * branch."""

    shift: Tensor
    scale: Tensor
    gate: Tensor

    def opened(self, x: Tensor, eps: float) -> Modulated:
        """What the branch reads of x."""
        return Modulated(x, self.shift, self.scale, eps)


class Modulation(NamedTuple):
    """All that the blocks need to know of a timestep; shared by every block and every picture of a batch."""

    image: tuple[Stream, Stream]
    text: tuple[Stream, Stream]
    single: Stream
    out_shift: Tensor
    out_scale: Tensor


class Angles(NamedTuple):
    """Cosines and sines of tokens' positions, float32 [tokens, head_dim / 2]."""

    cos: Tensor
    sin: Tensor


class Rotary(NamedTuple):
    """Angles of every token, and those of `text` and of `image` tokens apart: views made once, because
    `qk_rope` keeps what it makes of angles."""

    cos: Tensor
    """float32 [text + image + reference tokens, head_dim / 2], in this order"""
    sin: Tensor
    text: Angles
    image: Angles
    """with those of references"""


class Transformer(nn.Module):
    """Predicts the velocity of image latents."""

    FUSED: ClassVar[dict[str, tuple[str, ...]]] = {
        "to_qkv": ("to_q", "to_k", "to_v"),
        "add_qkv_proj": ("add_q_proj", "add_k_proj", "add_v_proj"),
    }

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.time_guidance_embed = TimestepEmbedding(config.timestep_guidance_channels, width)
        self.double_stream_modulation_img = ModulationLinear(width, 6)
        self.double_stream_modulation_txt = ModulationLinear(width, 6)
        self.single_stream_modulation = ModulationLinear(width, 3)
        self.x_embedder = nn.Linear(config.in_channels, width, bias=False)
        self.context_embedder = nn.Linear(config.joint_attention_dim, width, bias=False)
        self.transformer_blocks = nn.ModuleList(DoubleBlock(config) for _ in range(config.num_layers))
        self.single_transformer_blocks = nn.ModuleList(
            SingleBlock(config) for _ in range(config.num_single_layers)
        )
        self.norm_out = ModulationLinear(width, 2)
        self.proj_out = nn.Linear(width, config.in_channels, bias=False)

    @property
    def dtype(self) -> torch.dtype:
        """Of activations and of weights that are not packed."""
        return self.x_embedder.weight.dtype

    def embed_text(self, prompt_embeds: Tensor) -> Tensor:
        """Prompt embeddings [B, T, joint_attention_dim] -> text tokens [B, T, width]."""
        embedded: Tensor = self.context_embedder(prompt_embeds.to(self.dtype))
        return embedded

    def modulations(self, timesteps: Tensor) -> list[Modulation]:
        """One Modulation for each of `timesteps` [N], float32 in 0..1000. The same for any batch."""
        time = silu(self.time_guidance_embed(timesteps, self.dtype))
        image, text = self.double_stream_modulation_img(time), self.double_stream_modulation_txt(time)
        single, out = self.single_stream_modulation(time), self.norm_out(time)
        return [
            Modulation(
                image=(Stream(*i[:3]), Stream(*i[3:])),
                text=(Stream(*t[:3]), Stream(*t[3:])),
                single=Stream(*s),
                out_scale=o[0],
                out_shift=o[1],
            )
            for i, t, s, o in zip(image, text, single, out, strict=True)
        ]

    def rotary(
        self, text_length: int, rows: int, columns: int, references: Sequence[tuple[int, int]] = ()
    ) -> Rotary:
        """Positions of `text_length` text tokens, rows x columns image tokens and the tokens of `references`
        (rows, columns), on four axes (time, row, column, word).

        Text token l is at (0, 0, 0, l), an image token at (0, row, column, 0), one of reference n at
        (REFERENCE_TIME * (n + 1), row, column, 0); axis a turns pair i of its `axes_dims_rope[a]` channels by
        position * rope_theta^(-2i/dim). Angles are computed in float64.
        """
        words = torch.zeros(text_length, 4, dtype=torch.float64)
        words[:, 3] = torch.arange(text_length)
        grids = [_grid(REFERENCE_TIME * n, *size) for n, size in enumerate([(rows, columns), *references])]
        positions = torch.cat([words, *grids])
        angles = []
        for axis, channels in enumerate(self.config.axes_dims_rope):
            steps = torch.arange(0, channels, 2, dtype=torch.float64) / channels
            angles.append(positions[:, axis, None] * self.config.rope_theta**-steps)
        angle = torch.cat(angles, dim=1)
        device = self.x_embedder.weight.device
        cos, sin = angle.cos().float().to(device), angle.sin().float().to(device)
        text, image = (
            Angles(cos[part], sin[part]) for part in (slice(text_length), slice(text_length, None))
        )
        return Rotary(cos, sin, text, image)

    def forward(
        self,
        latents: Tensor,
        text: Tensor,
        modulation: Modulation,
        rotary: Rotary,
        references: Tensor | None = None,
    ) -> Tensor:
        """latents [B, S, in_channels] and text tokens [B, T, width] -> velocity [B, S, in_channels], both in
        `dtype`; `references` [B, R, in_channels] are attended to and get no velocity."""
        length, text_length = latents.shape[1], text.shape[1]
        seen = latents if references is None else torch.cat([latents, references], dim=1)
        image: Tensor = self.x_embedder(seen)
        for block in self.transformer_blocks:
            image, text = block(image, text, modulation, rotary)
        tokens = torch.cat([text, image], dim=1)
        last = len(self.single_transformer_blocks) - 1
        for number, block in enumerate(self.single_transformer_blocks):
            # Nothing reads the last block's text tokens.
            tokens = block(tokens, modulation.single, rotary, skip=text_length if number == last else 0)
        image = (tokens if last >= 0 else image)[:, :length]
        last_norm = Modulated(image, modulation.out_shift, modulation.out_scale, self.config.eps)
        return project(self.proj_out, last_norm)


def _grid(time: int, rows: int, columns: int) -> Tensor:
    """Positions of rows x columns tokens at one time, row by row: float64 [rows * columns, 4]."""
    positions = torch.zeros(rows, columns, 4, dtype=torch.float64)
    positions[..., 0] = time
    positions[..., 1] = torch.arange(rows)[:, None]
    positions[..., 2] = torch.arange(columns)
    return positions.flatten(0, 1)


class DoubleBlock(nn.Module):
    """Text and image attend together; each has its own weights and its own MLP."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.eps = config.eps
        self.attn = JointAttention(config)
        self.ff = FeedForward(config)
        self.ff_context = FeedForward(config)

    def forward(
        self, image: Tensor, text: Tensor, modulation: Modulation, rotary: Rotary
    ) -> tuple[Tensor, Tensor]:
        (image_attn, image_mlp), (text_attn, text_mlp) = modulation.image, modulation.text
        image, text = self.attn(image, text, image_attn, text_attn, rotary)
        return self.ff(image, image_mlp, self.eps), self.ff_context(text, text_mlp, self.eps)


class JointAttention(nn.Module):
    """Text and image attend together, and what they find is added to each."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width, head_dim = config.width, config.attention_head_dim
        self.heads, self.eps = config.num_attention_heads, config.eps
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.norm_q, self.norm_k = HeadNorm(head_dim), HeadNorm(head_dim)
        self.to_out = nn.ModuleList([nn.Linear(width, width, bias=False)])
        self.add_qkv_proj = nn.Linear(width, 3 * width, bias=False)
        self.norm_added_q, self.norm_added_k = HeadNorm(head_dim), HeadNorm(head_dim)
        self.to_add_out = nn.Linear(width, width, bias=False)

    def forward(
        self, image: Tensor, text: Tensor, image_stream: Stream, text_stream: Stream, rotary: Rotary
    ) -> tuple[Tensor, Tensor]:
        length, heads = text.shape[1], self.heads
        text_qkv = project(self.add_qkv_proj, text_stream.opened(text, self.eps))
        image_qkv = project(self.to_qkv, image_stream.opened(image, self.eps))
        text_qkv = text_qkv.view(*text.shape[:2], 3 * heads, -1)
        image_qkv = image_qkv.view(*image.shape[:2], 3 * heads, -1)
        text_qk, text_v = text_qkv[:, :, : 2 * heads], text_qkv[:, :, 2 * heads :]
        image_qk, image_v = image_qkv[:, :, : 2 * heads], image_qkv[:, :, 2 * heads :]
        text_q, text_k = qk_rope(
            text_qk,
            heads,
            self.norm_added_q.weight,
            self.norm_added_k.weight,
            *rotary.text,
            self.eps,
            interleaved=True,
        )
        image_q, image_k = qk_rope(
            image_qk,
            heads,
            self.norm_q.weight,
            self.norm_k.weight,
            *rotary.image,
            self.eps,
            interleaved=True,
        )
        q, k = torch.cat([text_q, image_q], dim=1), torch.cat([text_k, image_k], dim=1)
        v = torch.cat([text_v, image_v], dim=1)
        out = attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)).transpose(1, 2).flatten(2)
        return (
            project_residual(self.to_out[0], out[:, length:], image, image_stream.gate),
            project_residual(self.to_add_out, out[:, :length], text, text_stream.gate),
        )


class SingleBlock(nn.Module):
    """Attention and MLP side by side over text and image tokens, with one linear into both and one out of
    both."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.eps = config.eps
        self.attn = ParallelAttention(config)

    def forward(self, tokens: Tensor, modulation: Stream, rotary: Rotary, skip: int = 0) -> Tensor:
        """All tokens but the first `skip`, which are attended to only."""
        attended: Tensor = self.attn(tokens, modulation, rotary, skip)
        return attended


class ParallelAttention(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width, mlp_width = config.width, config.mlp_width
        self.heads, self.eps = config.num_attention_heads, config.eps
        self.to_qkv_mlp_proj = nn.Linear(width, 3 * width + 2 * mlp_width, bias=False)
        self.norm_q, self.norm_k = HeadNorm(config.attention_head_dim), HeadNorm(config.attention_head_dim)
        self.width, self.in_width = width, width + mlp_width
        self.to_out = nn.Linear(self.in_width, width, bias=False)

    def forward(self, tokens: Tensor, stream: Stream, rotary: Rotary, skip: int = 0) -> Tensor:
        heads, (q_weight, k_weight) = self.heads, (self.norm_q.weight, self.norm_k.weight)
        # Attention and MLP write side by side what the last linear reads.
        both = tokens.new_empty(*tokens.shape[:2], self.in_width)
        gated = both[..., self.width :]
        opened = stream.opened(tokens, self.eps)
        qkv, _ = project_gated(self.to_qkv_mlp_proj, opened, 3 * self.width, gated)
        qkv = qkv.view(*tokens.shape[:2], 3 * heads, self.width // heads)
        qk, v = qkv[:, :, : 2 * heads], qkv[:, :, 2 * heads :]
        q, k = qk_rope(qk, heads, q_weight, k_weight, rotary.cos, rotary.sin, self.eps, interleaved=True)
        out = attention(q[:, skip:].transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)).transpose(1, 2)
        both = both[:, skip:]
        both[..., : self.width].view(out.shape).copy_(out)
        return project_residual(self.to_out, both, tokens[:, skip:], stream.gate)


class FeedForward(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.linear_in = nn.Linear(config.width, 2 * config.mlp_width, bias=False)
        self.linear_out = nn.Linear(config.mlp_width, config.width, bias=False)

    def forward(self, x: Tensor, stream: Stream, eps: float) -> Tensor:
        _, gated = project_gated(self.linear_in, stream.opened(x, eps))
        return project_residual(self.linear_out, gated, x, stream.gate)


class HeadNorm(nn.Module):
    """The weight [head_dim] of an RMS norm over each head; `qk_rope` applies it."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(head_dim))


class ModulationLinear(nn.Module):
    def __init__(self, width: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(width, parts * width, bias=False)

    def forward(self, time: Tensor) -> Tensor:
        """Activated time embedding [N, width] -> [N, parts, 1, 1, width]."""
        parts: Tensor = self.linear(time).unflatten(-1, (self.parts, 1, 1, -1))
        return parts


class TimestepEmbedding(nn.Module):
    """Sinusoids of the timestep (cosines first, periods up to 10000; as in DDPM), then two linears."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.channels = channels
        self.timestep_embedder = nn.ModuleDict(
            {
                "linear_1": nn.Linear(channels, width, bias=False),
                "linear_2": nn.Linear(width, width, bias=False),
            }
        )

    def forward(self, timesteps: Tensor, dtype: torch.dtype) -> Tensor:
        """timesteps [N] in 0..1000 -> [N, width] in `dtype`; the sinusoids are computed in float32."""
        half = self.channels // 2
        exponents = torch.arange(half, dtype=torch.float32, device=timesteps.device) / half
        angles = timesteps.float()[:, None] * torch.exp(-math.log(10000) * exponents)
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1).to(dtype)
        hidden = silu(self.timestep_embedder["linear_1"](waves))
        embedded: Tensor = self.timestep_embedder["linear_2"](hidden)
        return embedded
