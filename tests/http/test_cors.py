"""Pages of other origins: none, unless the owner names them."""

from __future__ import annotations

import httpx
import pytest

from imagegen import Settings, Studio
from imagegen.settings import load_settings
from tests.http.live_server import serving

SHOP = "https://shop.example"


def asked(url: str, origin: str) -> httpx.Response:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return httpx.options(f"{url}/v1/images/generations", headers=headers)


@pytest.mark.parametrize("keys", [(), ("k",)])
def test_only_named_origins_are_let_in(studio: Studio, settings: Settings, keys: tuple[str, ...]) -> None:
    named = load_settings(**{**settings.model_dump(), "cors_origins": (SHOP,), "api_keys": keys})
    with serving(studio, named) as url:
        mine, other = asked(url, SHOP), asked(url, "https://elsewhere.example")
        read = httpx.get(f"{url}/healthz", headers={"Origin": SHOP})
    assert (mine.status_code, mine.headers["access-control-allow-origin"]) == (200, SHOP)
    assert "access-control-allow-credentials" not in mine.headers
    assert "access-control-allow-origin" not in other.headers
    assert read.headers["access-control-allow-origin"] == SHOP
    assert "RateLimit" in read.headers["access-control-expose-headers"]
