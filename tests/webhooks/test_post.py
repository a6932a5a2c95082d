"""One POST, to a real receiver."""

from __future__ import annotations

import socket
import threading

import pytest

from imagegen.webhooks.post import post
from tests.webhooks.receiver import receiving


def test_the_body_arrives_with_its_headers() -> None:
    with receiving() as receiver:
        reply = post(receiver.url, b'{"a": 1}', {"webhook-id": "msg_1"}, private=True)
    assert (reply.ok, reply.status) == (True, 204)
    ((headers, body),) = receiver.heard
    assert body == '{"a": 1}'
    assert headers["webhook-id"] == "msg_1"
    assert headers["host"] in receiver.url


def test_a_redirection_is_not_followed() -> None:
    with receiving() as receiver:
        receiver.answers = [302]
        reply = post(receiver.url, b"{}", {}, private=True)
    assert (reply.ok, reply.status, len(receiver.heard)) == (False, 302, 1)


def test_a_private_address_is_not_spoken_to() -> None:
    with receiving() as receiver:
        for url in (receiver.url, receiver.url.replace("http:", "https:")):
            reply = post(url, b"{}", {}, private=False)
            assert reply.status is None
            assert reply.error is not None
    assert receiver.heard == []


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that changes its mind between the check and the connection is asked once."""
    asked: list[object] = []
    real = socket.getaddrinfo

    def resolve(host: object, *arguments: object, **options: object) -> object:
        asked.append(host)
        return real("127.0.0.1" if host == "rebinding.example" else host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with receiving() as receiver:
        reply = post(receiver.url.replace("127.0.0.1", "rebinding.example"), b"{}", {}, private=True)
    assert reply.ok
    assert asked.count("rebinding.example") == 1
    assert receiver.heard[0][0]["host"].startswith("rebinding.example:")


def test_a_receiver_that_drips_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                while not ended.wait(0.02):
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        reply = post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, private=True, timeout=0.3)
        ended.set()
        thread.join()
    assert reply.error is not None
    assert "no answer" in reply.error


def test_nobody_there_is_an_error_and_no_exception() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    reply = post(f"http://127.0.0.1:{port}/", b"{}", {}, private=True)
    assert reply.status is None
    assert "Refused" in str(reply.error)
