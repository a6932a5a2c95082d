"""Who may speak to a server without API keys: programs on this machine, and pages that came from it.

A browser on this machine runs pages of strangers. One of them may give its own name this machine's address
("DNS rebinding") and so become the same origin: its requests carry the stranger's name in Host. Or it may
post blindly: those carry the stranger's name in Origin. Both are refused.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from imagegen.errors import SettingsInvalid
from imagegen.http.problems import problem
from imagegen.settings import Settings


def is_loopback(host: str) -> bool:
    """True for localhost, 127.0.0.0/8 and ::1, which only programs on this machine can reach."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(settings: Settings, *, keys: bool) -> None:
    """Raises SettingsInvalid when the server would listen beyond this machine without asking for keys."""
    if not keys and not is_loopback(settings.host):
        raise SettingsInvalid(
            f"{settings.host} can be reached from other machines and there is no API key",
            field="host",
            hint="make one with `imagegen keys create NAME`, or bind 127.0.0.1",
        )


class LoopbackOnly:
    """Answers 403 to a request whose Host, or whose Origin if it has one, is not a name of this machine.
    `origins` are the pages that the owner lets in."""

    def __init__(self, app: ASGIApp, origins: Collection[str] = ()) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host, origin = headers.get("host", ""), headers.get("origin")
            if not is_loopback(_name("//" + host)):
                detail = f"this server answers to 127.0.0.1 and localhost, not to {host!r}"
                return await _refuse(detail, scope, receive, send)
            if origin is not None and origin not in self._origins and not is_loopback(_name(origin)):
                detail = f"pages from {origin!r} may not use this server"
                return await _refuse(detail, scope, receive, send)
        return await self._app(scope, receive, send)


async def _refuse(detail: str, scope: Scope, receive: Receive, send: Send) -> None:
    detail += " (a server with API keys serves other names)"
    answer = problem(
        scope["state"]["request_id"], 403, detail, code="host_not_allowed", type="permission_error"
    )
    await answer(scope, receive, send)


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
