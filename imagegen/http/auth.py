"""API keys: `Authorization: Bearer KEY` before everything below /v1.

The studio page, its reference and the health probes stay open: they hold nothing of anyone's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from imagegen.errors import Unauthorized
from imagegen.http.problems import problem_of

GUARDED = "/v1"


class KeyRing:
    """Knows keys by their SHA-256 and compares in constant time, so neither length nor prefix of a key
    leaks."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [_digest(key) for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def accepts(self, key: str) -> bool:
        digest = _digest(key)
        return sum([hmac.compare_digest(digest, known) for known in self._digests]) > 0  # no early end


class RequireKey:
    """Answers 401 below /v1 unless the request carries a key of the ring. An empty ring lets everybody
    through."""

    def __init__(self, app: ASGIApp, ring: KeyRing) -> None:
        self._app = app
        self._ring = ring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        guarded = scope["type"] == "http" and self._ring and _below(scope["path"], GUARDED)
        if guarded and not self._ring.accepts(key := _bearer(Headers(scope=scope))):
            error = Unauthorized(
                "no API key was given" if not key else "this API key is not known",
                hint="send the header Authorization: Bearer YOUR_KEY",
            )
            return await problem_of(error, scope["state"]["request_id"])(scope, receive, send)
        return await self._app(scope, receive, send)


def _bearer(headers: Headers) -> str:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(root + "/")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
