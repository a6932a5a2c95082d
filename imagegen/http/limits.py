"""What a caller's key has left, counted before the work and told in every answer.

RateLimit-Policy and RateLimit are the headers of draft-ietf-httpapi-ratelimit-headers-11.
"""

from __future__ import annotations

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imagegen.errors import ImagegenError
from imagegen.http.problems import problem_of
from imagegen.keys.allowance import Allowance, Left


class Limits:
    """Counts the requests of keys that have a rate, and stamps what is left on every answer."""

    def __init__(self, app: ASGIApp, allowance: Allowance) -> None:
        self._app = app
        self._allowance = allowance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (key := scope["state"].get("caller")) is None:
            return await self._app(scope, receive, send)
        scope["state"]["allowance"] = self._allowance
        limits: dict[str, Left] = scope["state"].setdefault("limits", {})

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start" and limits:
                headers = MutableHeaders(scope=message)
                headers["RateLimit-Policy"] = ", ".join(
                    f'"{left.policy}";q={left.quota};w={left.window}' for left in limits.values()
                )
                headers["RateLimit"] = ", ".join(
                    f'"{left.policy}";r={left.left};t={left.reset}' for left in limits.values()
                )
            await send(message)

        try:
            # In memory, so nothing waits here.
            limits.update({left.policy: left for left in self._allowance.count_request(key)})
        except ImagegenError as error:
            limits.update({left.policy: left for left in getattr(error, "limits", ())})
            return await problem_of(error, scope["state"]["request_id"])(scope, receive, stamped)
        return await self._app(scope, receive, stamped)


async def spend(request: Request, pictures: int) -> None:
    """Counts pictures that are about to be queued for this caller. Raises QuotaExceeded."""
    allowance = getattr(request.state, "allowance", None)
    if allowance is None or request.state.caller.quota is None:
        return
    left = await run_in_threadpool(allowance.take_pictures, request.state.caller, pictures)
    request.state.limits[left.policy] = left


async def refund(request: Request, pictures: int) -> None:
    """What was counted and then not queued."""
    allowance = getattr(request.state, "allowance", None)
    if allowance is not None and request.state.caller.quota is not None:
        await run_in_threadpool(allowance.give_back, request.state.caller, pictures)
