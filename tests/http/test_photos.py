"""Photos off the wire: Base64 and the fields of a form."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen.errors import ImagegenError, InputFileInvalid, InvalidRequest
from imagegen.http.photos import _put, photo_of, photos_of

NAMES = st.text("abcdefgh_", min_size=1, max_size=8)


@given(st.binary(min_size=1, max_size=200), st.booleans(), st.integers(1, 40))
def test_what_was_sent_comes_out(data: bytes, url: bool, line: int) -> None:
    text = base64.b64encode(data).decode()
    wrapped = "\n".join(text[i : i + line] for i in range(0, len(text), line))
    assert photo_of(f"data:image/png;base64,{wrapped}" if url else wrapped, "image").data == data


@given(st.text(max_size=60))
def test_any_other_text_is_refused_by_name(text: str) -> None:
    field, data = None, b""
    try:
        data = photo_of(text, "references[3]").data or b""
    except ImagegenError as error:
        field = error.field
    assert field == "references[3]" or base64.b64encode(data).decode() == "".join(
        text.rpartition(",")[2].split()
    )


@pytest.mark.parametrize(
    "text", ["https://example.com/a.png", "file:///etc/passwd", "http://127.0.0.1/", "gopher://x"]
)
def test_an_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="nothing is fetched"):
        photo_of(text, "image")


def test_each_photo_has_its_name() -> None:
    texts = [base64.b64encode(b"1").decode(), ""]
    with pytest.raises(InputFileInvalid, match="empty") as refusal:
        photos_of(texts, "references")
    assert refusal.value.field == "references[1]"


VALUES = st.one_of(
    st.integers(-99, 99), st.floats(0, 1), st.booleans(), st.text("xyz#", min_size=1, max_size=5)
)


@given(st.dictionaries(NAMES, st.one_of(VALUES, st.lists(VALUES, min_size=1, max_size=3)), min_size=1))
def test_an_object_comes_back_from_its_brackets(members: dict[str, Any]) -> None:
    """As the openai client writes it: booleans in lower case, lists with empty brackets."""
    fields: dict[str, Any] = {}
    for name, value in members.items():
        for one in value if isinstance(value, list) else [value]:
            text = json.dumps(one) if not isinstance(one, str) else one
            _put(fields, f"recipe[{name}]{'[]' if isinstance(value, list) else ''}", text)
    assert fields == {"recipe": members}


@pytest.mark.parametrize(
    "pair", [("a", "a"), ("a[b]", "a[b]"), ("a", "a[b]"), ("a[b]", "a"), ("a[b]", "a[b][]")]
)
def test_nothing_is_taken_twice(pair: tuple[str, str]) -> None:
    fields: dict[str, Any] = {}
    _put(fields, pair[0], "1")
    with pytest.raises(InvalidRequest, match="twice"):
        _put(fields, pair[1], "2")
