"""Measures and logs every request once it is answered: method, route, status, seconds, who asked.

The route is its template, so neither a log line nor a series of measurements is as long as a caller likes.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imagegen.metrics import Metrics

log = logging.getLogger("imagegen.access")


class Measure:
    def __init__(self, app: ASGIApp, metrics: Metrics, *, prompts: bool = False) -> None:
        self._app = app
        self._metrics = metrics
        self._prompts = prompts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started, status = time.perf_counter(), 500

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.request(_method(scope), route_of(scope), status, seconds)
            if log.isEnabledFor(logging.INFO):
                log.info("request", extra=self._facts(scope, status, seconds))

    def _facts(self, scope: Scope, status: int, seconds: float) -> dict[str, Any]:
        state = scope["state"]
        caller = state.get("caller")
        facts = {
            "request_id": state["request_id"],
            "method": _method(scope),
            "route": route_of(scope),
            "status": status,
            "seconds": round(seconds, 4),
            "key": None if caller is None else caller.id or "local",
            **state.get("noted", {}),
        }
        if self._prompts and "prompt" in state:
            facts["prompt"] = state["prompt"]
        return facts


def route_of(scope: Scope) -> str:
    """The template of the route that answers; "unmatched" where there is none."""
    return str(getattr(scope.get("route"), "path", "unmatched"))


def _method(scope: Scope) -> str:
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return scope["method"] if scope["method"] in known else "other"
