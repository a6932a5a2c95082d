"""What every answer carries: an x-request-id, and a body even when nobody foresaw the error."""

from __future__ import annotations

import logging
import uuid

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imagegen.http.problems import problem

log = logging.getLogger(__name__)


class Envelope:
    """The outermost layer. Puts the request's id into `scope["state"]` and on the answer, and turns an
    uncaught exception into a 500 that names the id under which the log holds the traceback (never the
    prompt)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request_id = f"req_{uuid.uuid4().hex}"
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def stamped(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers["x-content-type-options"] = "nosniff"
            await send(message)

        try:
            await self._app(scope, receive, stamped)
        except Exception:  # the last resort: an answer with an id is worth more than a closed connection
            log.exception("request %s failed", request_id)
            if started:
                raise
            detail = f"the server failed in a way nobody foresaw (its log has the reason under {request_id})"
            await problem(request_id, 500, detail)(scope, receive, stamped)
