"""Prompts to embeddings, padded to the model's text length. The padding takes part in the transformer's
attention, as in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from imagegen.pipeline.prompt_cache import PromptCache
from imagegen.weights.load import Components


@dataclass(frozen=True)
class EncodedPrompts:
    """`embeds` [B, text_length, layers * hidden]; `warnings[i]` says what of prompt i could not be used."""

    embeds: Tensor
    warnings: list[tuple[str, ...]]


def encode_prompts(
    components: Components, prompts: Sequence[str], cache: PromptCache | None = None
) -> EncodedPrompts:
    """Embeddings of each prompt, encoded once even if it is asked for several times, and not at all if the
    cache has it. One that is too long is cut to the text length, and a warning says so."""
    card = components.card
    tokens = {prompt: components.tokenizer.encode(prompt, card.text_length) for prompt in prompts}
    embeds = {prompt: cache.get(card, prompt) if cache is not None else None for prompt in tokens}
    if missing := [prompt for prompt, found in embeds.items() if found is None]:
        ids = torch.tensor([tokens[prompt].ids for prompt in missing], device=components.device)
        mask = torch.tensor([tokens[prompt].mask for prompt in missing], device=components.device)
        for prompt, made in zip(missing, components.text_encoder(ids, mask), strict=True):
            embeds[prompt] = made
            if cache is not None:
                cache.put(card, prompt, made)
    rows = [found.to(components.device) for prompt in prompts if (found := embeds[prompt]) is not None]
    return EncodedPrompts(torch.stack(rows), [_cut_warning(tokens[p].cut, card.name) for p in prompts])


def _cut_warning(cut: int, model: str) -> tuple[str, ...]:
    return (f"the prompt is {cut} tokens too long for {model}: its end was left out",) if cut else ()
