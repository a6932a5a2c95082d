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
