"""Waiting for pictures on behalf of a client that may hang up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future

from fastapi import Request

from imagegen.artifact import Artifact
from imagegen.errors import Cancelled


async def results(futures: Sequence[Future[Artifact]], request: Request) -> list[Artifact]:
    """The pictures, in order. Raises the first error, or Cancelled when the client closed the connection;
    whatever is not finished then is cancelled, so a queue never works for somebody who left."""
    loop, happened = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: object) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(happened.set)

    # Not asyncio.wrap_future: its callback holds the future it is on, and with it the picture, until the
    # garbage collector looks for cycles.
    for future in futures:
        future.add_done_callback(tell)
    gone = asyncio.create_task(_disconnect(request))
    gone.add_done_callback(tell)
    try:
        while not _over(futures):
            if gone.done():
                raise Cancelled("the client closed the connection")
            await happened.wait()
            happened.clear()
        try:
            return [future.result() for future in futures if future.done()]
        except CancelledError as error:
            raise Cancelled("the server is closing", hint="ask again when it is back") from error
    finally:
        gone.cancel()
        for future in futures:
            future.cancel()


def _over(futures: Sequence[Future[Artifact]]) -> bool:
    """Whether all of them have ended, or one of them without a picture."""
    ended = [future for future in futures if future.done()]
    failed = any(future.cancelled() or future.exception() is not None for future in ended)
    return failed or len(ended) == len(futures)


async def _disconnect(request: Request) -> None:
    """Ends when the client hangs up; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
