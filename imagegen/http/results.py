"""Waiting for pictures on behalf of a client that may hang up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from fastapi import Request

from imagegen.artifact import Artifact
from imagegen.errors import Cancelled


async def results(futures: Sequence[Future[Artifact]], request: Request) -> list[Artifact]:
    """The pictures, in order. Raises the first error, or Cancelled when the client closed the connection;
    whatever is not finished then is cancelled, so a queue never works for somebody who left."""
    everything: asyncio.Future[list[Artifact]] = asyncio.gather(*map(asyncio.wrap_future, futures))
    gone = asyncio.create_task(_disconnect(request))
    either: set[asyncio.Future[Any]] = {everything, gone}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not everything.done():
            raise Cancelled("the client closed the connection")
        try:
            return everything.result()
        except asyncio.CancelledError as error:  # a picture's future was cancelled, not this task
            raise Cancelled("the server is closing", hint="ask again when it is back") from error
    finally:
        gone.cancel()
        everything.cancel()
        for future in futures:
            future.cancel()


async def _disconnect(request: Request) -> None:
    """Ends when the client hangs up; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
