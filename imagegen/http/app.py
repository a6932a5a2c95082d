"""The app: wiring only. The layers a request passes, outermost first, then the routes."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware import Middleware

from imagegen import __version__
from imagegen.http import openapi, problems
from imagegen.http.auth import KeyRing, RequireKey
from imagegen.http.body_limit import MAX_JSON_BYTES, BodyLimit
from imagegen.http.envelope import Envelope
from imagegen.http.loopback import LoopbackOnly
from imagegen.http.routes import artifacts, check, health, images, models, presets
from imagegen.settings import Settings
from imagegen.studio import Studio
from imagegen.web import pages

DESCRIPTION = "Product pictures made on this machine, in the words of OpenAI's Images API."


def create_app(studio: Studio, settings: Settings) -> FastAPI:
    """The service on `studio`, which stays the caller's to close."""
    ring = KeyRing(settings.api_keys)
    layers = [
        Middleware(Envelope),
        *([] if ring else [Middleware(LoopbackOnly)]),
        Middleware(RequireKey, ring),
        Middleware(BodyLimit, MAX_JSON_BYTES, {check.PATH: check.MAX_PICTURE_BYTES}),
    ]
    app = FastAPI(
        title="imagegen",
        version=__version__,
        description=DESCRIPTION,
        middleware=layers,
        docs_url=None,  # FastAPI's own pages load their scripts from elsewhere; ours is in imagegen/web
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    problems.install(app)
    openapi.install(app, keys_required=bool(ring))
    for resource in (images, models, presets, check, artifacts, health):
        app.include_router(resource.router(studio, settings))
    app.include_router(pages.router())
    return app
