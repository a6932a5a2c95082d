"""Nobody has this server speak to a machine that is not on the public internet."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen.errors import InvalidRequest
from imagegen.webhooks.addresses import check_url, is_public, target

PRIVATE = [
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.8",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "2002:7f00:1::",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2001:0:7f00:1::",
    "nonsense",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_nobodys_business(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:7f00:1]/",
        "https://localhost/",
        "https://169.254.169.254/latest/meta-data/",
        "https://user:secret@93.184.216.34/",
        "https://user@93.184.216.34/",
        "http://93.184.216.34/",
        "ftp://93.184.216.34/",
        "file:///etc/passwd",
        "gopher://93.184.216.34/",
        "//93.184.216.34/",
        "https:///nowhere",
        "https://",
        "",
        "https://93.184.216.34:99999/",
        "https://93.184.216.34/\r\nX-Injected: 1",
        "https://93.184.216.34/ two",
        "https://[::1",
        "https://shop.example/\x00",
        "https://ünïcode.example/",
        "https://93.184.216.34/" + "x" * 2048,
    ],
)
def test_urls_that_are_refused_by_name(url: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_url(url, private=False)
    assert refused.value.field == "url"


def test_a_public_address_is_taken_apart() -> None:
    where = target("https://93.184.216.34:8443/hook?a=b#part", private=False)
    assert (where.tls, where.host, where.port) == (True, "93.184.216.34", 8443)
    assert (where.path, where.address) == ("/hook?a=b", "93.184.216.34")


def test_the_owner_may_let_private_ones_through() -> None:
    check_url("http://127.0.0.1:8000/hook", private=True)
    assert target("http://localhost:8000/hook", private=True).port == 8000
    with pytest.raises(InvalidRequest):
        check_url("file:///etc/passwd", private=True)


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*arguments: object, **options: object) -> list[tuple[object, ...]]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))
            for address in ("93.184.216.34", "10.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(InvalidRequest, match="public"):
        target("https://rebinding.example/", private=False)


@given(st.text(max_size=60))
def test_whatever_is_sent_is_refused_or_public(url: str) -> None:
    try:
        where = target(url, private=False)
    except (InvalidRequest, OSError):
        return
    assert is_public(where.address)


@given(st.ip_addresses())
def test_what_python_calls_private_is_never_public(address: object) -> None:
    if getattr(address, "is_private", False) or getattr(address, "is_loopback", False):
        assert not is_public(str(address))
