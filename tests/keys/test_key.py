"""What a key may be."""

from __future__ import annotations

from typing import Any

import pytest

from imagegen.errors import Forbidden, InvalidRequest
from imagegen.keys import LOCAL, Key
from imagegen.keys.key import digest_of, new_secret


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"scopes": ()}, "scope"),
        ({"scopes": ("paint",)}, "scope"),
        ({"priority": "urgent"}, "priority"),
        ({"rate": 0}, "rate"),
        ({"quota": -1}, "quota"),
        ({"waiting": 0}, "waiting"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Key(**{"id": "key_1", "name": "shop", **changes})
    assert refused.value.field == field


def test_a_key_opens_its_scopes_and_admin_opens_all() -> None:
    narrow = Key("key_1", "shop", ("generate",))
    narrow.require("generate")
    with pytest.raises(Forbidden, match="finish"):
        narrow.require("finish")
    Key("key_2", "boss", ("admin",)).require("finish")
    LOCAL.require("admin")


def test_a_key_works_until_it_expires_or_is_revoked() -> None:
    assert Key("key_1", "shop").works_at(1e12)
    assert Key("key_1", "shop", expires=10.0).works_at(9.9)
    assert not Key("key_1", "shop", expires=10.0).works_at(10.0)
    assert not Key("key_1", "shop", revoked=1.0).works_at(0.5)


def test_secrets_are_long_and_digests_take_any_header() -> None:
    assert len({new_secret() for _ in range(100)}) == 100
    assert len(new_secret()) >= 47
    assert digest_of("\udcff") != digest_of("")
