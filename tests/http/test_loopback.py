"""Without keys only this machine is served, and no stranger's page through its browser."""

from __future__ import annotations

import httpx
import pytest

from imagegen.errors import SettingsInvalid
from imagegen.http.loopback import check_exposure, is_loopback
from imagegen.settings import load_settings


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.10", "::1"])
def test_names_of_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "192.168.1.4", "evil.example", "localhost.evil.example"]
)
def test_names_of_others(host: str) -> None:
    assert not is_loopback(host)


def test_listening_beyond_this_machine_needs_keys() -> None:
    with pytest.raises(SettingsInvalid) as refusal:
        check_exposure(load_settings(host="0.0.0.0"), keys=False)
    assert refusal.value.field == "host"
    assert "imagegen keys create" in str(refusal.value)
    check_exposure(load_settings(host="0.0.0.0"), keys=True)
    check_exposure(load_settings(host="::1"), keys=False)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8484", "127.0.0.1.evil.example", "[bad", "10.0.0.1"]
)
def test_a_rebound_name_is_refused(http: httpx.Client, host: str) -> None:
    answer = http.get("/v1/models", headers={"Host": host})
    assert answer.status_code == 403
    assert answer.json()["code"] == "host_not_allowed"


@pytest.mark.parametrize("host", ["localhost:1", "[::1]:8484", "127.0.0.1"])
def test_every_name_of_this_machine_is_served(http: httpx.Client, host: str) -> None:
    assert http.get("/v1/models", headers={"Host": host}).status_code == 200


def test_a_strangers_page_is_refused_and_our_own_is_not(server: str, http: httpx.Client) -> None:
    for origin, status in [("https://evil.example", 403), ("null", 403), (server, 400)]:
        answer = http.post("/v1/images/generations", json={}, headers={"Origin": origin})
        assert answer.status_code == status
        assert "access-control-allow-origin" not in answer.headers
