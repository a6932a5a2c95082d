"""--columns: fields and headers, whatever the headers hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen.batch.columns import MAPPABLE, parse_columns
from imagegen.errors import InvalidRequest

HEADER = st.text("aB ç=()/.", min_size=1, max_size=9).map(str.strip).filter(bool)


@given(st.dictionaries(st.sampled_from(MAPPABLE), HEADER))
def test_what_is_joined_comes_apart(columns: dict[str, str]) -> None:
    assert parse_columns([",".join(f"{field}={header}" for field, header in columns.items())]) == columns


def test_commas_in_headers_and_repeated_options() -> None:
    assert parse_columns(["id=Ref, no, title=Nome, curto", " Color = Cor "]) == {
        "id": "Ref, no",
        "title": "Nome, curto",
        "color": "Cor",
    }
    assert parse_columns([]) == {}


@pytest.mark.parametrize("text", ["id", "=x", "id=", "foo=bar", "id=a,id=b"])
def test_what_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_columns([text])
    assert refused.value.field == "columns"
