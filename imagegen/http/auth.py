"""API keys: `Authorization: Bearer KEY` before everything below /v1 and /sdapi, and before /metrics.

The studio page, its reference and the health probes stay open: they hold nothing of anyone's.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from imagegen.errors import ImagegenError, Unauthorized
from imagegen.http.problems import problem_of
from imagegen.keys import LOCAL, Key
from imagegen.keys import Scope as KeyScope
from imagegen.keys.key import digest_of
from imagegen.keys.records import KeyRecords
from imagegen.settings import Settings
from imagegen.store.records import recorded_before

SCOPE_OF: Mapping[str, KeyScope | None] = MappingProxyType(
    {
        "/v1/images": "generate",
        "/v1/check": "finish",
        "/v1/finish": "finish",
        "/v1/inspect": "finish",
        "/v1/cutout": "finish",
        "/v1/jobs": "jobs",
        "/v1/batches": "jobs",
        "/v1/webhooks": "jobs",
        "/v1/models": None,
        "/v1/presets": None,
        "/v1/recipes": None,
        "/v1/artifacts": None,
        "/sdapi": "generate",
        "/metrics": "admin",
    }
)
"""Path -> the scope that a key needs for it and for everything below it; None: any key will do."""
GUARDED = ("/v1", "/sdapi", "/metrics")


class KeyRing:
    """The keys that open this server: those of the setting `api_keys`, and those on record.

    Keys are compared by their SHA-256, so neither length nor prefix of one leaks.
    """

    def __init__(self, keys: Iterable[str], settings: Settings | None = None) -> None:
        self._digests = [digest_of(key) for key in keys]
        self._settings = settings
        self._records: KeyRecords | None = None
        on_record = self._on_record()
        self._asks = bool(self._digests) or (on_record is not None and on_record.any())

    def __bool__(self) -> bool:
        """Whether a key is asked for at all, as it stood at the start. Revoking the last key changes nothing
        in it: the server does not open up."""
        return self._asks

    def find(self, secret: str) -> Key | None:
        """The key that works now and has this secret."""
        digest = digest_of(secret)
        if sum([hmac.compare_digest(digest, known) for known in self._digests]) > 0:  # no early end
            return LOCAL
        on_record = self._on_record() if secret else None
        key = None if on_record is None else on_record.find(secret)
        return key if key is not None and key.works_at(time.time()) else None

    def close(self) -> None:
        if self._records is not None:
            self._records.close()

    def _on_record(self) -> KeyRecords | None:
        """The records once there are any, which may be after the server's start."""
        if self._records is None and self._settings is not None and recorded_before(self._settings):
            self._records = KeyRecords(self._settings)
        return self._records


def asks_for_keys(settings: Settings) -> bool:
    """Whether a server with these settings would ask for keys."""
    ring = KeyRing(settings.api_keys, settings)
    ring.close()
    return bool(ring)


class RequireKey:
    """Answers 401 below the guarded paths unless the request carries a key, and 403 unless the key has the
    path's scope. Puts the caller's key into `scope["state"]`; an empty ring lets everybody through as the
    machine's owner, and `opened` are paths that are open whatever there is."""

    def __init__(self, app: ASGIApp, ring: KeyRing, opened: Collection[str] = ()) -> None:
        self._app = app
        self._ring = ring
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        scope["state"]["caller"] = LOCAL
        if self._ring and guarded(scope["path"]) and scope["path"] not in self._opened:
            scope["state"]["caller"] = None
            try:
                scope["state"]["caller"] = await self._caller(scope)
                _require(scope)
            except ImagegenError as error:
                return await problem_of(error, scope["state"]["request_id"])(scope, receive, send)
        return await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Key:
        secret = _secret(Headers(scope=scope), basic=_below(scope["path"], "/sdapi"))
        key = await run_in_threadpool(self._ring.find, secret)
        if key is None:
            raise Unauthorized(
                "no API key was given" if not secret else "this API key is not known, or works no more",
                hint="send the header Authorization: Bearer YOUR_KEY",
            )
        return key


def guarded(path: str) -> bool:
    """Whether a key is needed there, on a server that has keys."""
    return any(_below(path, root) for root in GUARDED)


def scope_of(path: str) -> KeyScope | None:
    """The scope that a path needs."""
    return next((scope for root, scope in SCOPE_OF.items() if _below(path, root)), None)


def _require(scope: Scope) -> None:
    needed = scope_of(scope["path"])
    if needed is not None:
        scope["state"]["caller"].require(needed)


def _secret(headers: Headers, *, basic: bool) -> str:
    """The key that a request carries; the tools that speak the WebUI's dialect send it as a password."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if basic and scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(root + "/")
