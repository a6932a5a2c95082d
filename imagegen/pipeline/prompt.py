"""Prompts to embeddings, padded to the model's text length. The padding takes part in the transformer's
attention, as in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from imagegen.weights.load import Components


@dataclass(frozen=True)
class EncodedPrompts:
    """`embeds` [B, text_length, layers * hidden]; `warnings[i]` says what of prompt i could not be used."""

    embeds: Tensor
    warnings: list[tuple[str, ...]]


def encode_prompts(components: Components, prompts: Sequence[str]) -> EncodedPrompts:
    """Embeddings of each prompt. One that is too long is cut to the text length, and a warning says so."""
    length = components.card.text_length
    tokens = [components.tokenizer.encode(prompt, length) for prompt in prompts]
    ids = torch.tensor([t.ids for t in tokens], device=components.device)
    mask = torch.tensor([t.mask for t in tokens], device=components.device)
    warnings = [_cut_warning(t.cut, components.card.name) for t in tokens]
    return EncodedPrompts(components.text_encoder(ids, mask), warnings)


def _cut_warning(cut: int, model: str) -> tuple[str, ...]:
    return (f"the prompt is {cut} tokens too long for {model}: its end was left out",) if cut else ()
