"""Qwen3 as a text encoder: hidden states of chosen layers, stacked along the channels.

Layer names are those of transformers' `Qwen3ForCausalLM` state dict below `model.`, except that projections
of the same input are one linear here (`FUSED`). Layers above the last chosen one are never built. Knows
nothing of tokenizers or files.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from imagegen.networks.quantized_linear import project_gated
from imagegen_kernels import attention, qk_rope, rms_norm


@dataclass(frozen=True, slots=True)
class TextEncoderConfig:
    """The keys of text_encoder/config.json that shape the network. Raises ValueError for what it cannot
    run."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float = 1e-6
    rope_theta: float | None = None
    rope_parameters: dict[str, Any] | None = None
    rope_scaling: dict[str, Any] | None = None
    hidden_act: str = "silu"
    attention_bias: bool = False
    use_sliding_window: bool = False
    model_type: str = "qwen3"

    def __post_init__(self) -> None:
        if self.model_type != "qwen3":
            raise ValueError(f"model_type {self.model_type} is not supported, only qwen3")
        if self.hidden_act != "silu" or self.attention_bias or self.use_sliding_window:
            raise ValueError(
                "hidden_act other than silu, attention_bias and use_sliding_window are not supported"
            )
        kinds = {
            rope.get("rope_type", rope.get("type", "default"))
            for rope in (self.rope_scaling, self.rope_parameters)
            if rope is not None
        }
        if kinds - {"default"}:
            raise ValueError(f"rope type {', '.join(sorted(kinds))} is not supported")
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError("num_attention_heads must be a multiple of num_key_value_heads")

    @property
    def theta(self) -> float:
        """Base of the rotation's frequencies; transformers 5 keeps it in `rope_parameters`, older files
        beside it."""
        return float((self.rope_parameters or {}).get("rope_theta", self.rope_theta or 1_000_000.0))


class TextEncoder(nn.Module):
    """The first layers of Qwen3, up to the last of `out_layers`.

    Layer k's state is what transformers calls hidden_states[k]: 0 is the embedding, k the output of the k-th
    layer, and the very last one goes through the final norm. Raises ValueError for a layer that the model
    does not have.
    """

    FUSED: ClassVar[dict[str, tuple[str, ...]]] = {
        "qkv_proj": ("q_proj", "k_proj", "v_proj"),
        "gate_up_proj": ("gate_proj", "up_proj"),
    }

    def __init__(self, config: TextEncoderConfig, out_layers: tuple[int, ...]) -> None:
        super().__init__()
        depth = max(out_layers)
        if depth > config.num_hidden_layers:
            raise ValueError(f"layer {depth} is asked for, the model has {config.num_hidden_layers}")
        self.config = config
        self.out_layers = out_layers
        self.embed_tokens = Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(depth))
        if depth == config.num_hidden_layers:
            self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    @property
    def dtype(self) -> torch.dtype:
        """Of activations and of weights that are not packed."""
        norms = (module.weight.dtype for module in self.modules() if isinstance(module, RMSNorm))
        return next(norms, torch.float32)

    def forward(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """token ids int64 [B, S], mask bool [B, S] (False = padding, on the right) -> [B, S, len(out_layers)
        * hidden]."""
        x = self.embed_tokens(token_ids).to(self.dtype)
        cos, sin = _rotary(token_ids.shape[1], self.config.head_dim, self.config.theta, token_ids.device)
        states = {0: x}
        for number, layer in enumerate(self.layers, start=1):
            x = layer(x, mask, cos, sin)
            if number in self.out_layers:
                states[number] = self.norm(x) if number == self.config.num_hidden_layers else x
        return torch.cat([states[number] for number in self.out_layers], dim=-1)


class DecoderLayer(nn.Module):
    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = SelfAttention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = FeedForward(config)

    def forward(self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), mask, cos, sin)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class SelfAttention(nn.Module):
    """Causal attention; groups of query heads share a key and value head."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.heads, self.shared, self.head_dim = (
            config.num_attention_heads,
            config.num_key_value_heads,
            config.head_dim,
        )
        self.qkv_proj = nn.Linear(
            config.hidden_size, (self.heads + 2 * self.shared) * self.head_dim, bias=False
        )
        self.o_proj = nn.Linear(self.heads * self.head_dim, config.hidden_size, bias=False)
        self.q_norm = RMSNorm(self.head_dim, config.rms_norm_eps)
        self.k_norm = RMSNorm(self.head_dim, config.rms_norm_eps)

    def forward(self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        heads = self.qkv_proj(x).view(*x.shape[:2], -1, self.head_dim)
        qk, v = heads[:, :, : self.heads + self.shared], heads[:, :, self.heads + self.shared :]
        q_weight, k_weight = self.q_norm.weight, self.k_norm.weight
        q, k = qk_rope(qk, self.heads, q_weight, k_weight, cos, sin, self.q_norm.eps, interleaved=False)
        out = attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask, causal=True)
        projected: Tensor = self.o_proj(out.transpose(1, 2).flatten(2))
        return projected


class FeedForward(nn.Module):
    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.gate_up_proj = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        _, gated = project_gated(self.gate_up_proj, x)
        out: Tensor = self.down_proj(gated)
        return out


class RMSNorm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight, self.eps)


class Embedding(nn.Module):
    """A table of token vectors that keeps its stored dtype: a mapped file is read only where tokens point."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rows, width))

    def forward(self, token_ids: Tensor) -> Tensor:
        return embedding(token_ids, self.weight)


@lru_cache(maxsize=8)
def _rotary(length: int, head_dim: int, theta: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """cos and sin, float32 [length, head_dim / 2], of position * theta^(-2i/head_dim)."""
    inverse = 1.0 / theta ** (torch.arange(0, head_dim, 2, dtype=torch.float32, device=device) / head_dim)
    angles = torch.arange(length, dtype=torch.float32, device=device)[:, None] * inverse
    return angles.cos(), angles.sin()
