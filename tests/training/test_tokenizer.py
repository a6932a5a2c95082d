"""One tokenizer.json for two readers: the tokenizers library and transformers' Qwen2 class."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from training.tokenizer import SPECIAL_TOKENS, chat_prompt, save_tokenizer, train_tokenizer

TEXTS = ["navy blue running shoe", "tênis azul-marinho masculino", "Red Lipstick", "bolso negro de mujer"] * 3


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, 400)


def test_special_tokens_are_single_tokens(tokenizer: Tokenizer) -> None:
    for token in SPECIAL_TOKENS:
        assert tokenizer.encode(token).tokens == [token]


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_any_text_has_tokens_and_none_is_lost(text: str) -> None:
    import unicodedata

    trained = train_tokenizer(TEXTS[:1], 300)
    decoded = trained.decode(trained.encode(text).ids, skip_special_tokens=False)
    assert decoded == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("prompt", ["Navy BLUE shoe", "tênis ÀÇ", "日本 123", ""])
def test_transformers_reads_the_same_tokens(tokenizer: Tokenizer, tmp_path: Path, prompt: str) -> None:
    from transformers import Qwen2TokenizerFast

    save_tokenizer(tokenizer, tmp_path)
    theirs = Qwen2TokenizerFast.from_pretrained(tmp_path)
    message = [{"role": "user", "content": prompt}]
    text = theirs.apply_chat_template(
        message, tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    assert text == chat_prompt(prompt)
    ours = tokenizer.encode(text).ids
    padded = theirs(text, padding="max_length", truncation=True, max_length=64)["input_ids"]
    assert padded[: len(ours)] == ours
    assert set(padded[len(ours) :]) <= {tokenizer.token_to_id("<|endoftext|>")}
