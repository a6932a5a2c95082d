"""Distractors add words and keep the caption whole."""

import random

from hypothesis import given
from hypothesis import strategies as st

from training.distractors import distract


@given(st.sampled_from(["red shoe", "bolsa preta"]), st.integers(0, 2**32))
def test_the_caption_stays_whole_and_something_is_added(text: str, seed: int) -> None:
    distracted = distract(text, random.Random(seed))
    assert text in distracted
    assert len(distracted) > len(text)
    assert "{" not in distracted
    assert "/" not in distracted


def test_brands_and_whole_descriptions_occur() -> None:
    texts = [distract("red shoe", random.Random(seed)) for seed in range(200)]
    assert any(len(text.split()) > 15 for text in texts)
    assert any(text.split(" red shoe")[0].istitle() for text in texts)
