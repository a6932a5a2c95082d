"""The error tree: what its docstring draws is what the classes say."""

from __future__ import annotations

import re

import pytest

from imagegen import errors
from imagegen.errors import ImagegenError, InvalidRequest, Overloaded


def _drawn() -> dict[str, tuple[int, int]]:
    rows = re.findall(r"[├└]── (\w+)\s+(\d+)\s+(\d+)", errors.__doc__ or "")
    return {name: (int(exit_code), int(status)) for name, exit_code, status in rows}


def test_the_docstring_draws_the_tree_as_it_is() -> None:
    assert _drawn() == {c.__name__: (c.exit_code, c.http_status) for c in ImagegenError.__subclasses__()}


@pytest.mark.parametrize("attribute", ["exit_code", "code"])
def test_no_two_errors_look_alike_except_bad_requests_and_settings(attribute: str) -> None:
    seen = [getattr(c, attribute) for c in ImagegenError.__subclasses__()]
    assert len(set(seen)) >= len(seen) - 1


def test_the_text_names_the_field_and_what_to_do() -> None:
    error = InvalidRequest("must be 1 to 100, not 0", field="steps", hint="4 is usual")
    assert str(error) == "steps: must be 1 to 100, not 0 (4 is usual)"
    assert error.param == "steps"
    assert str(ImagegenError("it broke")) == "it broke"


def test_overload_says_when_to_come_back() -> None:
    assert Overloaded("full", retry_after=3.5).retry_after == 3.5
