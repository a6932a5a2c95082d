"""How large a body may be, and how long it may take.

Counted while it arrives, so a wrong or missing Content-Length changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imagegen.http.problems import problem

MAX_JSON_BYTES = 1 << 20  # the longest prompt takes 384,000, all of it written as \u escapes

BODY_SECONDS = 120.0
"""From the head of a request to the end of its body, of whatever size."""
LINGER_BYTES = 8 << 20
"""Bodies up to here are read to their end even when they are refused."""


class BodyLimit:
    """Refuses bodies above `most` bytes with 413: at once when their Content-Length says so, else where they
    pass it. `files` are the paths that take whole files, with limits of their own."""

    def __init__(self, app: ASGIApp, most: int, files: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._most = most
        self._files = files or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        most = self._files.get(scope["path"], self._most)
        detail = f"the body is larger than {most:,} bytes"
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced[:20]) > most:
            if int(announced[:20]) <= LINGER_BYTES:
                # Closed while it sends, a client would see a broken connection instead of the answer.
                while (await receive()).get("more_body"):
                    pass
            # Of a larger one nothing is read, so the connection cannot be used again.
            answer = problem(scope["state"]["request_id"], 413, detail, headers={"Connection": "close"})
            return await answer(scope, receive, send)
        seen, whole = 0, False
        until = asyncio.get_running_loop().time() + BODY_SECONDS

        async def counted() -> Message:
            nonlocal seen, whole
            if whole:
                return await receive()  # what comes now is the end of the connection
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError as error:
                late = f"the body was not there within {BODY_SECONDS:.0f} s"
                raise HTTPException(408, late, headers={"Connection": "close"}) from error
            whole = not message.get("more_body", False)
            seen += len(message.get("body", b""))
            if seen > most:
                raise HTTPException(413, detail, headers={"Connection": "close"})
            return message

        return await self._app(scope, counted, send)
