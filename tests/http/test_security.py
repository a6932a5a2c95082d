"""What an attacker would try first, at a live server."""

from __future__ import annotations

import io
import socket
import struct
import zlib
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, extra: bytes = b"") -> bytes:
    """A PNG that says it is that large."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def raw(server: str, request: bytes) -> bytes:
    """What the server says to bytes that no HTTP library would send."""
    parts = urlsplit(server)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as client:
        client.sendall(request)
        answer = b""
        while received := client.recv(65536):
            answer += received
    return answer


@pytest.mark.parametrize("side", [20_000, 65_000, 2**31 - 1])
def test_a_picture_that_says_it_is_huge_is_refused_unread(http: httpx.Client, side: int) -> None:
    answer = http.post("/v1/check", params={"preset": "amazon"}, content=png(side, side))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "input_file_invalid")


def test_a_text_chunk_that_swells_is_refused_or_left_out(http: httpx.Client) -> None:
    swollen = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(256 << 20), 9))
    answer = http.post("/v1/check", params={"preset": "amazon"}, content=png(64, 64, swollen))
    assert answer.status_code == 400


def test_a_file_of_many_frames_or_of_another_kind_is_no_picture(http: httpx.Client) -> None:
    for content in (b"%PDF-1.7", b"PK\x03\x04" + bytes(100), b"GIF89a" + bytes(20), b"<svg/>", b"\x00" * 64):
        answer = http.post("/v1/check", params={"preset": "amazon"}, content=content)
        assert answer.status_code == 400, content


@pytest.mark.parametrize(
    "path",
    [
        "/v1/artifacts/..%2f..%2f..%2fetc%2fpasswd",
        "/v1/artifacts/%2e%2e/%2e%2e/etc/passwd",
        "/v1/artifacts/....//....//etc/passwd",
        "/static/../../../etc/passwd",
        "/static/%2e%2e%2f%2e%2e%2fsettings.py",
        "/v1/models/..%2f..%2fetc",
        "/v1/artifacts/" + "0" * 32 + ".png%00.txt",
    ],
)
def test_no_path_leads_out_of_its_folder(server: str, path: str) -> None:
    answer = raw(server, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"root:" not in answer
    assert b"ENV_PREFIX" not in answer


def test_nothing_of_a_request_becomes_a_header(server: str, http: httpx.Client) -> None:
    for path in (
        "/v1/artifacts/%0d%0aSet-Cookie:%20a=b",
        "/%0d%0aX-Injected:%201",
        "/v1/models/a%0aX-Injected: 1",
    ):
        target = path.replace(" ", "%20")
        answer = raw(
            server, f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
        )
        head = answer.partition(b"\r\n\r\n")[0].lower()
        assert b"set-cookie" not in head
        assert b"x-injected" not in head
    asked = http.get("/healthz", headers={"X-Request-Id": "mine"})
    assert asked.headers["x-request-id"] != "mine"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nBroken\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: a\x00b\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_the_server_goes_on(
    server: str, http: httpx.Client, request_: bytes
) -> None:
    try:
        answer = raw(server, request_)
    except OSError:  # closed while it was still sending
        answer = b""
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 403", b"HTTP/1.1 404"))
    assert http.get("/healthz").status_code == 200


def test_a_page_of_a_stranger_cannot_use_a_server_without_keys(http: httpx.Client) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        assert http.post("/v1/images/generations", json={"prompt": "bag"}, headers=headers).status_code == 403
        assert http.get("/metrics", headers=headers).status_code == 403


def test_a_transparent_bomb_of_small_size_is_measured_like_any_other(http: httpx.Client) -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (3000, 3000)).save(buffer, "png")
    answer = http.post("/v1/check", params={"preset": "amazon"}, content=buffer.getvalue())
    assert answer.status_code in (200, 400)
