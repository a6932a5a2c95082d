from __future__ import annotations

from pathlib import Path

import torch

from imagegen.pipeline.prompt import encode_prompts
from imagegen.weights.catalog import read_card
from imagegen.weights.load import load_components
from tests.miniature import TEXT_LENGTH


def test_a_prompt_that_is_too_long_is_cut_and_says_so(tiny_checkpoint: Path) -> None:
    components = load_components(read_card(tiny_checkpoint), "cpu")
    with torch.inference_mode():
        encoded = encode_prompts(components, ["red shoe", "red shoe " * 40])
    assert encoded.embeds.shape == (2, TEXT_LENGTH, 3 * 128)
    assert encoded.warnings[0] == ()
    (warning,) = encoded.warnings[1]
    assert "tokens too long" in warning
    assert "its end was left out" in warning
