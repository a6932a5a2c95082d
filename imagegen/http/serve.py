"""Running the service: a socket, a studio, a server that leaves politely."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from imagegen.engine.memory import settle_memory
from imagegen.errors import Cancelled, ImagegenError, SettingsInvalid
from imagegen.http.app import create_app
from imagegen.http.auth import asks_for_keys
from imagegen.http.durable import durable
from imagegen.http.loopback import check_exposure
from imagegen.http.patience import PatientProtocol
from imagegen.metrics import Metrics
from imagegen.settings import Settings
from imagegen.studio import Studio
from imagegen.weights.catalog import find_model

log = logging.getLogger(__name__)

GRACE_SECONDS = 30  # after SIGTERM or Ctrl-C, requests that are being answered have this long


def serve(settings: Settings, *, on_listening: Callable[[str], None] | None = None) -> None:
    """Serves until SIGINT or SIGTERM, then finishes what is being answered and returns.

    `on_listening(url)` is called once requests are accepted. The model loads meanwhile; /readyz tells when it
    has. Jobs that are being made have `drain_seconds` to end; what is left goes on in another worker, or here
    after the next start. Raises SettingsInvalid (host beyond this machine without API keys, address in use,
    jobs database) and ModelNotFound, before anything is bound or loaded.
    """
    check_exposure(settings, keys=asks_for_keys(settings))
    find_model(settings.model, settings.models_dir)
    metrics = Metrics()
    with (
        listen(settings.host, settings.port) as bound,
        Studio(settings, observe=metrics.observe) as studio,
        durable(studio, settings, metrics) as lasting,
    ):
        threading.Thread(target=_warm_up, args=[studio], name="imagegen-warm-up", daemon=True).start()
        app = create_app(studio, settings, lasting, metrics)
        server = Server(app, on_listening=on_listening, notice=settings.drain_notice)
        with _signals_end_politely():
            server.run(sockets=[bound])


@contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket; port 0 takes a free one. Raises SettingsInvalid when the address cannot be had.

    What it accepts sends at once (TCP_NODELAY, inherited). asyncio sets that only on sockets which name their
    protocol, and these do not: the end of a body then waited for the client's delayed acknowledgement of its
    beginning, 40 ms of each answer on a connection that was used before.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise SettingsInvalid(
            f"cannot listen on {host} port {port}: {error.strerror or error}",
            field="port",
            hint="choose another with --port or IMAGEGEN_PORT",
        ) from error
    with bound:
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield bound


class Server(uvicorn.Server):
    """uvicorn without access log and banner headers, which tells when it listens, and leaves politely.

    After the first signal /readyz says no; for `notice` seconds everything else goes on, so that a load
    balancer can look elsewhere before connections are refused. A second signal ends the waiting.
    """

    def __init__(
        self, app: FastAPI, *, on_listening: Callable[[str], None] | None = None, notice: float = 0
    ) -> None:
        config = uvicorn.Config(
            app,
            http=PatientProtocol,
            access_log=False,
            log_config=None,
            lifespan="on",
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        super().__init__(config)
        self._app = app
        self._on_listening = on_listening
        self._notice = notice

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        first = not self._app.state.leaving
        self._app.state.leaving = True
        if first and self._notice > 0:
            threading.Timer(self._notice, super().handle_exit, (sig, frame)).start()
        else:
            super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._on_listening is not None and sockets:
            self._on_listening(url_of(sockets[0]))


def url_of(bound: socket.socket) -> str:
    """The address of a listening socket as a URL."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _signals_end_politely() -> Iterator[None]:
    """uvicorn raises the signal that ended it again, under the handlers it found. Under the default ones
    SIGTERM would then kill the process before the studio is closed; these let `serve` return."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    found = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in found.items():
            signal.signal(number, handler)


def _warm_up(studio: Studio) -> None:
    try:
        studio.warm_up()
        settle_memory()
    except (Cancelled, CancelledError):
        log.info("closed before the model was loaded")
    except ImagegenError as error:
        log.error("the model cannot be used: %s", error)
