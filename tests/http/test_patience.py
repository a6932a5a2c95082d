"""Clients that take their time are not waited for."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from imagegen import Settings, Studio
from imagegen.http import body_limit, patience
from tests.http.live_server import serving


@pytest.fixture
def address(studio: Studio, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.4)
    monkeypatch.setattr(body_limit, "BODY_SECONDS", 0.4)
    with serving(studio, settings) as url:
        parts = urlsplit(url)
        yield str(parts.hostname), int(parts.port or 0)


def dripped(address: tuple[str, int], first: bytes, drip: bytes = b"x") -> bytes:
    """What comes back to a client that sends `first` and then a byte at a time until it is cut off."""
    answer = b""
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(first)
        client.settimeout(0.05)
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            try:
                client.sendall(drip)
                received = client.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return answer
            if not received:
                return answer
            answer += received
    raise AssertionError("the server waited")


@pytest.mark.parametrize(
    "first", [b"", b"POST /v1/images", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: "]
)
def test_a_head_that_does_not_come_is_not_waited_for(address: tuple[str, int], first: bytes) -> None:
    assert dripped(address, first) == b""


def test_the_next_request_of_a_connection_is_not_waited_for_either(address: tuple[str, int]) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    answer = dripped(address, whole + b"GET /healthz HTTP/1.1\r\nX-A: ")
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_body_that_does_not_come_is_not_waited_for(address: tuple[str, int]) -> None:
    head = b"POST /v1/images/generations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    answer = dripped(address, head + b"Content-Length: 100000\r\n\r\n{", b" ")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"request_timeout" in answer


def test_those_who_are_quick_have_all_the_time_they_need(address: tuple[str, int]) -> None:
    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}", timeout=60) as client:
        for _ in range(2):
            body = {"prompt": "cap", "steps": 40}
            assert client.post("/v1/images/generations", json=body).status_code == 200
            time.sleep(0.5)
