"""API keys guard everything below /v1."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import openai
import pytest

from imagegen import Settings, Studio
from imagegen.http.auth import KeyRing
from imagegen.keys import LOCAL
from imagegen.settings import load_settings
from tests.http.live_server import serving

KEYS = ("first-key", "clé-zwei")


@pytest.fixture(scope="module")
def guarded(studio: Studio, settings: Settings) -> Iterator[str]:
    keyed = load_settings(**{**settings.model_dump(), "api_keys": KEYS})
    with serving(studio, keyed) as url:
        yield url


def test_the_client_needs_a_key_that_is_known(guarded: str) -> None:
    with openai.OpenAI(base_url=f"{guarded}/v1", api_key=KEYS[0], max_retries=0) as client:
        assert client.images.generate(prompt="belt").data
    with (
        openai.OpenAI(base_url=f"{guarded}/v1", api_key="first-keY", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError) as refusal,
    ):
        stranger.images.generate(prompt="belt")
    assert refusal.value.code == "invalid_api_key"
    assert refusal.value.response.headers["www-authenticate"] == "Bearer"
    assert "first-ke" not in refusal.value.message


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/images/generations", "/v1/artifacts/x", "/v1/nothing", "/v1"]
)
@pytest.mark.parametrize("header", [None, "Bearer", "Basic first-key", "first-key", "Bearer first"])
def test_everything_below_v1_is_guarded(guarded: str, path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    assert httpx.get(f"{guarded}{path}", headers=headers).status_code == 401


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/healthz", "/static/studio.js"])
def test_pages_and_probes_are_open(guarded: str, path: str) -> None:
    assert httpx.get(f"{guarded}{path}").status_code == 200


def test_with_keys_any_host_name_is_served(guarded: str) -> None:
    headers = {"Host": "studio.example", "Authorization": f"bearer {KEYS[0]}"}
    assert httpx.get(f"{guarded}/v1/models", headers=headers).status_code == 200


def test_a_ring_knows_its_keys_and_no_others() -> None:
    ring = KeyRing(KEYS)
    assert all(ring.find(key) is LOCAL for key in KEYS)
    assert not any(ring.find(key) for key in ("", "first", "first-key ", "\udcff"))
    assert not KeyRing(())
