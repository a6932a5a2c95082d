"""One POST to somebody else's machine: to the address that was checked, without following anybody further."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from imagegen.errors import InvalidRequest
from imagegen.webhooks.addresses import Target, target

TIMEOUT = 15.0
"""Seconds for all of it, a receiver that answers byte by byte included."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`status` of the answer, or what went wrong instead."""

    status: int | None = None
    error: str | None = None

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, private: bool, timeout: float = TIMEOUT
) -> Reply:
    """Sends and reads the status. A redirection is an answer like any other and is not followed."""
    try:
        where = target(url, private=private)
        return Reply(_send(where, body, headers, timeout))
    except InvalidRequest as error:
        return Reply(error=str(error))
    except TimeoutError:
        return Reply(error=f"no answer within {timeout:.0f} s")
    except (OSError, http.client.HTTPException) as error:
        return Reply(error=f"{type(error).__name__}: {error}"[:300])


def _send(where: Target, body: bytes, headers: Mapping[str, str], timeout: float) -> int:
    plain = socket.create_connection((where.address, where.port), timeout=timeout)
    late = threading.Event()

    def give_up() -> None:
        late.set()
        with contextlib.suppress(OSError):
            plain.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(timeout, give_up)
    timer.daemon = True
    timer.start()
    try:
        wrapped = _with_tls(plain, where.host) if where.tls else plain
        with contextlib.closing(wrapped):
            connection = http.client.HTTPConnection(where.host, where.port)
            connection.sock = wrapped
            connection.request("POST", where.path, body, {**headers, "Host": _host(where)})
            return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        if late.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
        plain.close()


def _with_tls(plain: socket.socket, host: str) -> ssl.SSLSocket:
    """The certificate must be for the name in the URL, whatever address that name had."""
    return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def _host(where: Target) -> str:
    host = f"[{where.host}]" if ":" in where.host else where.host
    return host if where.port == (443 if where.tls else 80) else f"{host}:{where.port}"
