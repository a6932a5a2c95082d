"""Nobody's pictures: what a client that hangs up leaves in the queue is withdrawn."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import threading
import weakref
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlsplit

from imagegen import Artifact, ImageRequest, Settings, Studio
from imagegen.http.results import results
from tests.http.live_server import serving


class WatchedStudio(Studio):
    """The real one, which tells when a request has been queued."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.queued = threading.Event()
        self.futures: list[Future[Artifact]] = []

    def submit(self, request: ImageRequest | str, **options: Any) -> Future[Artifact]:
        future = super().submit(request, **options)
        self.futures.append(future)
        self.queued.set()
        return future


def test_a_client_that_hangs_up_leaves_nothing_in_the_queue(settings: Settings) -> None:
    running, go_on, withdrawn = threading.Event(), threading.Event(), threading.Event()

    def hold(done: int, total: int) -> None:
        running.set()
        go_on.wait(60)

    with WatchedStudio(settings) as studio, serving(studio, settings) as url:
        held = studio.submit(ImageRequest("belt", model=settings.model, seed=1), on_step=hold)
        assert running.wait(60)
        studio.queued.clear()
        address = urlsplit(url)
        body = json.dumps({"prompt": "sock"}).encode()
        head = (
            f"POST /v1/images/generations HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.sendall(head.encode() + body)
            assert studio.queued.wait(60)
            asked = studio.futures[-1]
            asked.add_done_callback(lambda _: withdrawn.set())
            assert not asked.done()
        assert withdrawn.wait(60)
        assert asked.cancelled()
        go_on.set()
        assert held.result(60).picture.size


class Patient:
    """A request whose client does not hang up."""

    async def receive(self) -> dict[str, str]:
        await asyncio.Event().wait()
        raise AssertionError


def test_an_answered_picture_is_gone_without_the_garbage_collector(studio: Studio) -> None:
    """64 clients make garbage faster than its collector looks for cycles: pictures must not be in one."""

    async def answered() -> weakref.ref[Any]:
        futures = [studio.submit("red bag", seed=seed) for seed in (1, 2)]
        artifacts = await results(futures, Patient())  # type: ignore[arg-type]  # all that is asked of it
        return weakref.ref(artifacts[0].picture)

    studio.make("red bag", seed=3)
    gc.collect()
    gc.disable()
    try:
        picture = asyncio.run(answered())
        studio.make("black belt", seed=4)  # the engine lets go of what it did last when it does the next
        assert picture() is None
    finally:
        gc.enable()
