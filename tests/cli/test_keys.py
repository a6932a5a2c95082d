"""imagegen keys and imagegen audit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Imagegen = Callable[..., Any]


def test_a_key_is_made_listed_and_revoked(imagegen: Imagegen) -> None:
    made = imagegen(
        "keys", "create", "shop", "--scope", "generate", "--rate", "30", "--days", "7", "--json"
    ).json()
    assert made["secret"].startswith("igk_")
    assert (made["scopes"], made["rate"], made["state"]) == (["generate"], 30, "works")
    listed = imagegen("keys", "list")
    assert made["id"] in listed.out
    assert made["secret"] not in listed.out
    assert imagegen("keys", "revoke", made["id"], "--json").json()["state"] == "revoked"
    assert "revoked" in imagegen("keys", "list").out


def test_the_secret_alone_is_on_standard_output(imagegen: Imagegen) -> None:
    ended = imagegen("keys", "create", "shop")
    assert ended.out.startswith("igk_")
    assert len(ended.out.split()) == 1
    assert "cannot be shown again" in ended.err
    (key,) = imagegen("keys", "list", "--json").json()["keys"]
    assert key["scopes"] == ["generate", "finish", "jobs"]


def test_what_makes_no_sense_is_exit_code_2(imagegen: Imagegen) -> None:
    assert imagegen("keys", "create", " ").code == 2
    assert imagegen("keys", "create", "shop", "--scope", "paint").code == 2
    assert imagegen("keys", "create", "shop", "--quota", "0").code == 2
    assert imagegen("keys", "revoke", "key_0").code == 2
    assert imagegen("keys", "list", "--json").json()["keys"] == []


def test_the_audit_log_shows_who_made_and_ended_keys(imagegen: Imagegen) -> None:
    key = imagegen("keys", "create", "shop", "--json").json()
    imagegen("keys", "revoke", key["id"])
    entries = imagegen("audit", "show", "--json").json()["entries"]
    assert [entry["action"] for entry in entries] == ["keys.create", "keys.revoke"]
    assert {entry["details"]["key"] for entry in entries} == {key["id"]}
    assert key["secret"] not in imagegen("audit", "show").out
    verified = imagegen("audit", "verify", "--json").json()
    assert verified == {"entries": 2, "head": entries[-1]["hash"]}
    assert imagegen("audit", "verify", "--head", "f" * 64).code == 18
