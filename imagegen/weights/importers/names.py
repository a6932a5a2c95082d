"""Which stored tensors make up one of ours.

Ours have the names of imagegen/networks, where projections of the same input are one linear. diffusers and
transformers store those in parts; BFL's own layout (also ComfyUI's and GGUF's) has other names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from imagegen.networks.text_encoder import TextEncoder
from imagegen.networks.transformer import Transformer
from imagegen.weights.importers.stored import TensorSource


class Piece(NamedTuple):
    """The tensor `name`, or the `part`-th of `of` equal runs of its rows."""

    name: str
    part: int = 0
    of: int = 1


Naming = Callable[[str], tuple[Piece, ...]]
"""The pieces, one below the other, of the tensor of ours with that name."""


def diffusers(fused: Mapping[str, tuple[str, ...]]) -> Naming:
    """The same names, but for linears that are stored in parts."""

    def pieces(name: str) -> tuple[Piece, ...]:
        module, _, leaf = name.rpartition(".")
        parent, _, child = module.rpartition(".")
        parts = fused.get(child, (child,))
        return tuple(Piece(f"{parent}.{part}.{leaf}" if parent else f"{part}.{leaf}") for part in parts)

    return pieces


def whole_or_parts(naming: Naming, stored: TensorSource) -> Naming:
    """`naming`, but for what is stored under our names already, as our own models do."""
    return lambda name: (Piece(name),) if name in stored else naming(name)


TRANSFORMER = diffusers(Transformer.FUSED)
TEXT_ENCODER = diffusers(TextEncoder.FUSED)

BFL_PREFIXES = ("", "model.diffusion_model.")
_BFL = {
    "x_embedder": "img_in",
    "context_embedder": "txt_in",
    "time_guidance_embed.timestep_embedder.linear_1": "time_in.in_layer",
    "time_guidance_embed.timestep_embedder.linear_2": "time_in.out_layer",
    "double_stream_modulation_img.linear": "double_stream_modulation_img.lin",
    "double_stream_modulation_txt.linear": "double_stream_modulation_txt.lin",
    "single_stream_modulation.linear": "single_stream_modulation.lin",
    "norm_out.linear": "final_layer.adaLN_modulation.1",
    "proj_out": "final_layer.linear",
}
_BFL_BLOCKS = {
    "transformer_blocks": (
        "double_blocks",
        {
            "attn.to_qkv": "img_attn.qkv",
            "attn.norm_q": "img_attn.norm.query_norm",
            "attn.norm_k": "img_attn.norm.key_norm",
            "attn.to_out.0": "img_attn.proj",
            "attn.add_qkv_proj": "txt_attn.qkv",
            "attn.norm_added_q": "txt_attn.norm.query_norm",
            "attn.norm_added_k": "txt_attn.norm.key_norm",
            "attn.to_add_out": "txt_attn.proj",
            "ff.linear_in": "img_mlp.0",
            "ff.linear_out": "img_mlp.2",
            "ff_context.linear_in": "txt_mlp.0",
            "ff_context.linear_out": "txt_mlp.2",
        },
    ),
    "single_transformer_blocks": (
        "single_blocks",
        {
            "attn.to_qkv_mlp_proj": "linear1",
            "attn.to_out": "linear2",
            "attn.norm_q": "norm.query_norm",
            "attn.norm_k": "norm.key_norm",
        },
    ),
}
_SHIFT_FIRST = "final_layer.adaLN_modulation.1"
"""BFL stores the last modulation as shift, scale; diffusers and we as scale, shift."""


@dataclass(frozen=True)
class Bfl:
    """BFL's names of the transformer, behind `prefix`. Norm weights end in .scale or .weight."""

    prefix: str
    stored: frozenset[str]

    def __call__(self, name: str) -> tuple[Piece, ...]:
        module, _, _ = name.rpartition(".")
        theirs = self._module(module)
        full = f"{self.prefix}{theirs}.weight"
        if full not in self.stored and f"{self.prefix}{theirs}.scale" in self.stored:
            full = f"{self.prefix}{theirs}.scale"
        if theirs == _SHIFT_FIRST:
            return Piece(full, 1, 2), Piece(full, 0, 2)
        return (Piece(full),)

    @staticmethod
    def _module(module: str) -> str:
        block = re.match(r"(\w+)\.(\d+)\.(.+)", module)
        if block and block[1] in _BFL_BLOCKS:
            theirs, parts = _BFL_BLOCKS[block[1]]
            return f"{theirs}.{block[2]}.{parts[block[3]]}"
        return _BFL[module]


def bfl(stored: Iterable[str]) -> Bfl | None:
    """BFL's names if these are some, with the prefix that they have here."""
    names = frozenset(stored)
    for prefix in BFL_PREFIXES:
        if f"{prefix}single_stream_modulation.lin.weight" in names:
            return Bfl(prefix, names)
    return None


def bfl_config(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> dict[str, object]:
    """What diffusers' config.json would say of a transformer with these shapes. Raises KeyError for a tensor
    that is missing.

    The shapes do not tell the turned axes and their base: those are FLUX.2's.
    """

    def shape(name: str) -> tuple[int, ...]:
        return shapes[prefix + name]

    def blocks(kind: str) -> int:
        numbers = [re.match(rf"{re.escape(prefix)}{kind}\.(\d+)\.", name) for name in shapes]
        return 1 + max((int(number[1]) for number in numbers if number), default=-1)

    width, channels = shape("img_in.weight")
    norm = "single_blocks.0.norm.query_norm."
    head = shapes.get(f"{prefix}{norm}scale") or shape(f"{norm}weight")
    return {
        "_class_name": "Flux2Transformer2DModel",
        "in_channels": channels,
        "out_channels": None,
        "num_layers": blocks("double_blocks"),
        "num_single_layers": blocks("single_blocks"),
        "attention_head_dim": head[0],
        "num_attention_heads": width // head[0],
        "joint_attention_dim": shape("txt_in.weight")[1],
        "timestep_guidance_channels": shape("time_in.in_layer.weight")[1],
        "mlp_ratio": shape("double_blocks.0.img_mlp.2.weight")[1] / width,
        "axes_dims_rope": [head[0] // 4] * 4,
        "rope_theta": 2000,
        "eps": 1e-6,
        "patch_size": 1,
        "guidance_embeds": f"{prefix}guidance_in.in_layer.weight" in shapes,
    }
