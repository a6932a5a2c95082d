"""A real server on a free loopback port, for tests that speak HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from imagegen import Settings, Studio
from imagegen.http.app import create_app
from imagegen.http.durable import Durable
from imagegen.http.serve import Server, listen
from imagegen.metrics import Metrics


@contextmanager
def serving(
    studio: Studio, settings: Settings, lasting: Durable | None = None, metrics: Metrics | None = None
) -> Iterator[str]:
    """Serves `studio` in a thread, with jobs where `lasting` is given; yields the URL."""
    urls: list[str] = []
    listening = threading.Event()

    def heard(url: str) -> None:
        urls.append(url)
        listening.set()

    with listen("127.0.0.1", 0) as bound:
        server = Server(create_app(studio, settings, lasting, metrics), on_listening=heard)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        try:
            assert listening.wait(30)
            yield urls[0]
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive()
