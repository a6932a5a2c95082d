"""Captions say what the attributes say, in words of our own vocabulary, and never a title or a brand."""

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import captions, vocabulary
from training.captions import caption, plain_caption

WORD = re.compile(r"[^\W\d_]+")


def words_of(text: str) -> set[str]:
    return set(WORD.findall(text.lower()))


def vocabulary_words() -> set[str]:
    texts: list[str] = [*captions.ENGLISH_FRAMES, *captions.PORTUGUESE_FRAMES, *captions.SPANISH_FRAMES]
    for item, (singular, plural) in vocabulary.ENGLISH_ITEMS.items():
        texts += [item, *singular, *plural]
    for nouns in (*vocabulary.PORTUGUESE_ITEMS.values(), *vocabulary.SPANISH_ITEMS.values()):
        texts += [noun for noun, _ in nouns]
    for forms in vocabulary.COLOURS.values():
        texts += [form for language in forms for form in language]
    for phrases in (*vocabulary.MATERIALS.values(), *vocabulary.PATTERNS.values()):
        texts += phrases
    for possessive, noun, portuguese, spanish in vocabulary.GENDERS.values():
        texts += [possessive, noun, *portuguese, *spanish]
    texts += [*vocabulary.USAGES.values(), "a an pair of in for colour thumbnail miniatura"]
    return set().union(*(words_of(text) for text in texts))


attributes = st.fixed_dictionaries(
    {
        "item": st.sampled_from(sorted(vocabulary.ENGLISH_ITEMS)),
        "colour": st.sampled_from(["", *vocabulary.COLOURS]),
        "material": st.sampled_from(["", *vocabulary.MATERIALS]),
        "pattern": st.sampled_from(["", "solid", *vocabulary.PATTERNS]),
        "gender": st.sampled_from(["", "unisex", *vocabulary.GENDERS]),
        "usage": st.sampled_from(["", *vocabulary.USAGES]),
        "width": st.sampled_from(["60", "224"]),
    }
)


@given(attributes, st.integers(0, 2**32))
def test_every_word_comes_from_the_vocabulary(row: dict[str, str], seed: int) -> None:
    text = caption(row, random.Random(seed))
    assert words_of(text) <= vocabulary_words()
    assert "{" not in text
    assert "/" not in text
    assert "  " not in text
    assert text == text.strip()


@given(attributes, st.integers(0, 2**32))
def test_only_small_photos_are_called_thumbnails(row: dict[str, str], seed: int) -> None:
    text = caption({**row, "width": "224"}, random.Random(seed)).lower()
    assert "thumbnail" not in text
    assert "miniatura" not in text


def test_portuguese_and_spanish_adjectives_agree() -> None:
    row = dict.fromkeys(("material", "pattern", "gender", "usage"), "")
    row |= {"item": "handbag", "colour": "black", "width": "224"}
    drawn = {caption(row, random.Random(seed)).lower() for seed in range(400)}
    assert "bolsa preta" in drawn
    assert "bolso negro" in drawn
    assert not any("bolsa preto" in text or "bolso negra" in text for text in drawn)


def test_a_caption_names_the_item_and_the_colour() -> None:
    row = dict.fromkeys(("material", "pattern", "gender", "usage"), "")
    row |= {"item": "belt", "colour": "white", "width": "224"}
    nouns, colours = ("belt", "cinto", "cinturón"), ("white", "branco", "blanco")
    for seed in range(200):
        text = caption(row, random.Random(seed)).lower()
        assert any(noun in text for noun in nouns)
        assert any(colour in text for colour in colours)


@pytest.mark.parametrize("name", ["catalogue-224", "catalogue-small"])
def test_real_rows_give_no_word_that_only_a_title_has(shared_data: Path, name: str) -> None:
    import pyarrow.parquet as pq

    columns = ["title", *captions_columns()]
    rows = pq.read_table(shared_data / "products" / f"{name}.parquet", columns=columns).to_pylist()
    rng = random.Random(0)
    known = vocabulary_words()
    for row in rows[::7]:
        text = caption({key: str(row[key] or "") for key in captions_columns()}, rng)
        assert words_of(text) <= known | words_of(row["item"])


def captions_columns() -> list[str]:
    return ["item", "colour", "material", "pattern", "gender", "usage", "width"]


def test_the_plain_caption_says_all_attributes_in_each_language() -> None:
    row = {"item": "handbag", "colour": "black", "material": "leather", "pattern": "", "gender": "women"}
    assert plain_caption(row, "en") == "women's black leather handbag"
    assert plain_caption(row, "pt") == "bolsa de couro preta feminina"
    assert plain_caption(row, "es") == "bolso de cuero negro de mujer"
