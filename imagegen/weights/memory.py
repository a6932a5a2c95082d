"""How much memory a model and its pictures take: an estimate from its JSON files and the headers of its
tensors, before anything is loaded.

A packed weight of a large network takes what it takes as it is, since each call unpacks its own
(docs/decisions/009); one of a small network a byte more a weight, whose int8 codes are kept. The table of the
text encoder stays in its file. Knows nothing of devices or of what is free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from imagegen.weights.catalog import ModelCard
from imagegen.weights.locate import read_json
from imagegen.weights.manifest import COMPONENTS, component_facts, component_folders

BASE = 500_000_000
"""The process itself: Python, torch, the picture library."""

BITS = {"binary": 1.125, "ternary": 2.125, "int4": 4.125, "int8": 8}
"""Bits of a packed weight, scales of groups of 128 included."""

_DENSE = ("F32", "F16", "BF16")
_SMALL = (128 << 20) / 4
"""Weights up to which a network runs in float32: `imagegen.weights.load.SMALL_NETWORK`."""

_KEPT_CODES = 4 << 20
"""`imagegen_kernels.matmul.cpu.KEPT_CODES`; both cannot be read without importing torch."""

_BANDS = 8 * (16 << 20)
"""What the decoder works on at a time: `imagegen.networks.banded_decoder.BAND_BYTES` for input, output and
what lies between. A small picture is one band."""


@dataclass(frozen=True, slots=True)
class Part:
    """Of one network: bytes in all, and how many of them stay in a mapped file, which a CPU counts as free
    though they are needed."""

    nbytes: int
    mapped: int


@dataclass(frozen=True, slots=True)
class Needs:
    """Bytes of a model's parts, and of what its pictures take beside them."""

    card: ModelCard
    transformer: Part
    text_encoder: Part
    autoencoder: Part
    token: int
    """of a token while it is denoised"""
    prompt: int
    """of a prompt while it is encoded"""
    pixel: int
    """of a pixel while it is decoded"""
    photo_pixel: int
    """of a pixel of a photo while that is encoded"""
    dense: bool
    """whether the transformer could be quantised: nothing of it is packed"""
    evictable: bool = True
    """whether the text encoder can leave after its work"""

    @property
    def weights(self) -> int:
        """All networks."""
        return self.without_text_encoder + self.text_encoder.nbytes

    @property
    def without_text_encoder(self) -> int:
        return self.transformer.nbytes + self.autoencoder.nbytes

    @property
    def mapped(self) -> int:
        """Of `weights`."""
        return self.transformer.mapped + self.text_encoder.mapped + self.autoencoder.mapped

    def picture(self, width: int, height: int, more_tokens: int = 0) -> int:
        """What one more picture of that size takes while it is denoised; `more_tokens` are those of pictures
        that the model looks at."""
        tokens = (width // self.card.multiple) * (height // self.card.multiple) + self.card.text_length
        return (tokens + more_tokens) * self.token

    def peak(
        self,
        width: int,
        height: int,
        batch: int = 1,
        *,
        keep_text_encoder: bool = True,
        more_tokens: int = 0,
        photo: int = 0,
        graphs: int | None = None,
    ) -> int:
        """The most that is in memory at once, the process itself left out; `photo` is the pixels of the
        largest photo, 0 without one. With `graphs` steps are recorded (pipeline/step_graphs.py), which keeps
        what they take, or the bytes that others have taken already if those are more.

        Prompts are encoded, then photos one by one, then pictures denoised together and decoded one by one.
        """
        denoising = batch * self.picture(width, height, more_tokens)
        recorded = 0 if graphs is None else max(graphs, denoising)
        encoding = self.weights + batch * self.prompt + recorded
        kept = (self.weights if keep_text_encoder else self.without_text_encoder) + recorded
        maps = width * height * self.pixel
        decoding = maps + min(_BANDS, 4 * maps)
        return max(encoding, kept + max(photo * self.photo_pixel, denoising, decoding))


def memory_needs(card: ModelCard, formats: dict[str, str] | None = None, *, gpu: bool = False) -> Needs:
    """What the model takes; `formats` are other formats for components, as if it had been quantised so. A GPU
    holds the text encoder's table too.

    Raises CheckpointInvalid naming the file that cannot be read.
    """
    if card.by_diffusers:
        return _by_diffusers(card)
    facts = _components(card)
    config = {name: read_json(card.path / name / "config.json") for name in COMPONENTS}
    image, text, vae = config["transformer"], config["text_encoder"], config["vae"]
    wide = int(image["num_attention_heads"]) * int(image["attention_head_dim"])
    table = int(text["vocab_size"]) * int(text["hidden_size"])
    given = formats or {}
    parts = {
        name: _part(
            facts[name],
            wide**2 <= _KEPT_CODES,
            given.get(name),
            table if name == "text_encoder" and not gpu else 0,
        )
        for name in COMPONENTS
    }
    narrow = {name: 4 if _weights(facts[name]) <= _SMALL else 2 for name in COMPONENTS}
    widths = vae.get("decoder_block_out_channels") or vae.get("block_out_channels") or [128]
    return Needs(
        card,
        parts["transformer"],
        parts["text_encoder"],
        parts["vae"],
        # Inside a single-stream block a token has beside its residual its normed copy, queries, keys, values,
        # attention's answer, both halves of the gated MLP's input and what goes into the last projection.
        token=int(wide * (7 + 3 * float(image.get("mlp_ratio", 3.0))) * narrow["transformer"]),
        prompt=card.text_length
        * (4 * int(text["hidden_size"]) + 2 * int(text["intermediate_size"]))
        * narrow["text_encoder"],
        # The last level: what it is given, and the branch of its first layer.
        pixel=(int(widths[min(1, len(widths) - 1)]) + int(widths[0])) * narrow["vae"],
        # Its first level: input, branch and what a convolution makes of them. Measured with FLUX.2's widths
        # in bfloat16 on a CPU: 4.9 maps at 1024x1024, 4.4 at 512x512.
        photo_pixel=5 * int((vae.get("block_out_channels") or [128])[0]) * narrow["vae"],
        dense=set(facts["transformer"]["formats"]) <= set(_DENSE),
    )


def _by_diffusers(card: ModelCard) -> Needs:
    """Of a model that diffusers runs: all networks kept as stored, a pixel decoded in six maps of the
    last level, and half as much for it while it is denoised. Rougher than for our own."""
    facts = {folder.name: component_facts(folder) for folder in component_folders(card.path)}
    parts = {name: int(found["bytes"]) for name, found in facts.items()}
    text = sum(size for name, size in parts.items() if name.startswith("text_encoder"))
    denoiser = sum(size for name, size in parts.items() if name in ("transformer", "unet"))
    vae = sum(parts.values()) - text - denoiser
    widths = read_json(card.path / "vae" / "config.json").get("block_out_channels") or [128]
    pixel = 6 * 2 * int(widths[0])
    return Needs(
        card,
        Part(denoiser, 0),
        Part(text, 0),
        Part(vae, 0),
        token=pixel * card.multiple**2 // 2,
        prompt=0,
        pixel=pixel,
        photo_pixel=0,
        dense=False,
        evictable=False,
    )


def _components(card: ModelCard) -> dict[str, Any]:
    """From the manifest, or from the headers where there is none."""
    own = card.path / "imagegen.json"
    found = read_json(own).get("components") if own.is_file() else None
    if isinstance(found, dict) and set(COMPONENTS) <= set(found):
        return found
    return {name: component_facts(card.path / name) for name in COMPONENTS}


def _weights(facts: dict[str, Any]) -> int:
    return sum(int(kind["weights"]) for kind in facts["formats"].values())


def _part(facts: dict[str, Any], small: bool, format: str | None, table: int) -> Part:
    nbytes, mapped = 0.0, 0.0
    dense = 4 if _weights(facts) <= _SMALL else 2
    for kind, found in facts["formats"].items():
        weights = int(found["weights"])
        if kind in _DENSE:
            weights = max(0, weights - table)  # it is looked up in, where it lies
            table = 0
        of = kind if format is None or kind not in _DENSE else format
        size = weights * dense if of in _DENSE else weights * (BITS.get(of, 8) / 8 + small)
        nbytes += size
        if of in ("int8", "int4", "binary") or (of == "BF16" and dense == 2):
            mapped += 0 if small else size
    return Part(int(nbytes), int(mapped))
