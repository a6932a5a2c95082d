"""Embeddings are found again by model and prompt, within bounds, and change no picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from imagegen.pipeline.prompt import encode_prompts
from imagegen.pipeline.prompt_cache import PromptCache
from imagegen.pipeline.text_to_image import TextToImage
from imagegen.weights.catalog import ModelCard, find_model, read_card
from imagegen.weights.load import Components, load_components

LARGE = 1 << 30


@pytest.fixture(scope="module")
def starter() -> ModelCard:
    return find_model("starter")


@pytest.fixture
def components(packed_checkpoint: Path) -> Components:
    return load_components(read_card(packed_checkpoint), "cpu")


def test_finds_what_was_put_and_keeps_a_copy(starter: ModelCard) -> None:
    cache, embeddings = PromptCache(LARGE), torch.ones(4, 8)
    cache.put(starter, "cap", embeddings)
    embeddings.zero_()
    found = cache.get(starter, "cap")
    assert found is not None
    assert torch.equal(found, torch.ones(4, 8))
    assert cache.get(starter, "hat") is None
    for other in ({"revision": "another"}, {"text_length": 7}, {"path": Path("elsewhere")}):
        assert cache.get(replace(starter, **other), "cap") is None
    cache.drop(starter, "cap")
    assert cache.get(starter, "cap") is None


def test_lets_go_what_was_not_asked_for_the_longest(starter: ModelCard) -> None:
    cache = PromptCache(3 * 40)
    for prompt in "abc":
        cache.put(starter, prompt, torch.zeros(10))
    cache.get(starter, "a")
    cache.put(starter, "d", torch.zeros(10))
    assert [prompt for prompt in "abcd" if cache.get(starter, prompt) is not None] == ["a", "c", "d"]
    cache.put(starter, "e", torch.zeros(31))
    assert cache.get(starter, "e") is None, "larger than the whole cache"
    assert len(cache) == 3


def test_knows_no_prompt_by_its_words(starter: ModelCard) -> None:
    cache = PromptCache(LARGE)
    cache.put(starter, "a secret product", torch.zeros(10))
    assert b"secret" not in repr(vars(cache)).encode()


@torch.inference_mode()
def test_a_known_prompt_needs_no_text_encoder(components: Components) -> None:
    cache, prompts = PromptCache(LARGE), ["red shoe", "blue hat", "red shoe"]
    first = encode_prompts(components, prompts, cache)
    assert len(cache) == 2
    components.held_text_encoder.let_go()
    again = encode_prompts(components, [*prompts, "x"][:3], cache)
    assert not components.held_text_encoder.is_held
    assert torch.equal(first.embeds, again.embeds)
    encode_prompts(components, ["green bag"], cache)
    assert components.held_text_encoder.is_held, "loaded again for what is not known"


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_pictures_are_the_same_bits_with_and_without(components: Components, guidance: float) -> None:
    components = replace(components, card=replace(components.card, guidance=guidance))
    prompts, seeds = ["red shoe", "blue hat"], [1, 2]
    expected = TextToImage(components).generate(prompts, seeds, 64, 64, 2).pictures
    cached = TextToImage(components, PromptCache(LARGE))
    cached.keep_text_encoder = False
    for order in ([0, 1], [1], [1, 0]):
        made = cached.generate([prompts[i] for i in order], [seeds[i] for i in order], 64, 64, 2).pictures
        assert not components.held_text_encoder.is_held
        for place, i in enumerate(order):
            assert np.array_equal(made[place].picture, expected[i].picture)
