"""Writes who asked for what into the audit log, before the answer leaves: what was answered is on record.

Recorded are requests that do something (not GET, HEAD, OPTIONS) and those that were refused for their key. An
entry says the caller, the route, the ids in it, the status and what the route noted; never a prompt, unless
the setting `audit_prompts` says so.

A disk takes milliseconds to confirm an entry (4 to 8 on a rented machine), about as long as a picture takes
to be encoded. So a route that has its picture may `expect` the status, and both are done at the same time. An
answer that becomes another one after all has a second entry under the same request id.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imagegen.audit.log import AuditLog
from imagegen.http.auth import guarded

REFUSALS_A_MINUTE = 60
"""So that nobody without a key can fill the disk; the next entry says how many were left out."""
_LOOKS = ("GET", "HEAD", "OPTIONS")


class AuditTrail:
    """The layer outside the one that asks for keys, so that it sees what that refuses."""

    def __init__(self, app: ASGIApp, log: AuditLog, *, prompts: bool = False) -> None:
        self._app = app
        self._log = log
        self._prompts = prompts
        self._minute, self._refused, self._left_out = 0, 0, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not guarded(scope["path"]):
            return await self._app(scope, receive, send)

        entry = _Entry(self)
        scope["state"]["audit_entry"] = entry

        async def recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                await entry.written(scope, message["status"])
            await send(message)

        try:
            return await self._app(scope, receive, recorded)
        except Exception:
            await entry.written(scope, 500)  # what the layers outside make of it, unless an answer has begun
            raise

    async def append(self, scope: Scope, status: int) -> None:
        """Writes an entry, if the request is one to be written down."""
        if self._counts(scope, status):
            caller = scope["state"].get("caller")
            actor = "nobody" if caller is None else caller.id or "local"
            await run_in_threadpool(
                self._log.append, actor, _action(scope), str(status), self._details(scope)
            )

    def _counts(self, scope: Scope, status: int) -> bool:
        if status not in (401, 403):
            return scope["method"] not in _LOOKS
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._refused = minute, 0
        self._refused += 1
        if self._refused <= REFUSALS_A_MINUTE:
            return True
        self._left_out += 1
        return False

    def _details(self, scope: Scope) -> dict[str, Any]:
        details: dict[str, Any] = {"request_id": scope["state"]["request_id"], **scope.get("path_params", {})}
        details.update(scope["state"].get("noted", {}))
        if self._prompts and "prompt" in scope["state"]:
            details["prompt"] = scope["state"]["prompt"]
        if self._left_out:
            details["refusals_left_out"], self._left_out = self._left_out, 0
        return details


class _Entry:
    """What is written of one request: once, or twice when it did not end as expected.

    The request's state holds it, so it does not hold the request.
    """

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail
        self._early: tuple[int, asyncio.Task[None]] | None = None
        self._done = False

    def expect(self, scope: Scope, status: int) -> None:
        self._early = (status, asyncio.create_task(self._trail.append(scope, status)))

    async def written(self, scope: Scope, status: int) -> None:
        """Returns once it is on disk. Only the first call counts."""
        if self._done:
            return
        self._done = True
        if self._early is not None:
            expected, writing = self._early
            await writing
            if expected == status:
                return
        await self._trail.append(scope, status)


def expect(request: Request, status: int) -> None:
    """Has this request's entry written while its answer is put together. Call it once, when what can be
    foreseen has gone well and everything was noted."""
    entry: _Entry | None = getattr(request.state, "audit_entry", None)  # None where no log is kept
    if entry is not None:
        entry.expect(request.scope, status)


def note(request: Request, **details: Any) -> None:
    """Adds to this request's entry: counts and ids, never what somebody wrote."""
    noted: dict[str, Any] = request.scope["state"].setdefault("noted", {})
    noted.update(details)


def note_prompt(request: Request, prompt: str) -> None:
    """Hands the prompt over to those logs whose settings ask for it."""
    request.scope["state"]["prompt"] = prompt


def _action(scope: Scope) -> str:
    """The route's template where one was found: an unknown path could be as long as somebody likes."""
    path = getattr(scope.get("route"), "path", None) or scope["path"]
    return f"{scope['method']} {path}"[:64]
