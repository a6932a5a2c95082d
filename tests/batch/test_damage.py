"""Destroyed letters are seen; questions and addresses are not taken for them."""

from __future__ import annotations

import pytest

from imagegen.batch.damage import damage_in


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("T?nis de couro", "T?nis"),
        ("Promo??o de ver?o", "Promo??o"),
        ("Tenis \ufffdtimo", "\ufffdtimo"),
        ("CalÃ§a de moletom", "CalÃ§a"),
        ("Menâ€™s belt", "Menâ€™s"),
    ],
)
def test_damage_is_named_with_the_word(text: str, shown: str) -> None:
    found = damage_in(text)
    assert found is not None
    assert shown in found


@pytest.mark.parametrize(
    "text",
    [
        "What is it? A bag.",
        "Really?",
        "https://shop.example/p?id=3",
        "see /p?id=3",
        "ÂNCORA São João",
        "Crème brûlée",
    ],
)
def test_whole_texts_are_left_alone(text: str) -> None:
    assert damage_in(text) is None
