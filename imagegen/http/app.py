"""The app: wiring only. The layers a request passes, outermost first, then the routes."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from imagegen import __version__
from imagegen.audit.log import AuditLog
from imagegen.errors import MissingDependency
from imagegen.http import openapi, problems
from imagegen.http.audit_trail import AuditTrail
from imagegen.http.auth import KeyRing, RequireKey
from imagegen.http.body_limit import MAX_JSON_BYTES, BodyLimit
from imagegen.http.durable import Durable
from imagegen.http.envelope import Envelope
from imagegen.http.limits import Limits
from imagegen.http.loopback import LoopbackOnly
from imagegen.http.measure import Measure
from imagegen.http.routes import (
    artifacts,
    batches,
    check,
    cutout,
    edits,
    finish,
    health,
    images,
    inspect,
    jobs,
    models,
    presets,
    recipes,
    webhooks,
    webui,
)
from imagegen.http.routes import metrics as metrics_route
from imagegen.keys.allowance import Allowance
from imagegen.metrics import Metrics
from imagegen.settings import Settings
from imagegen.studio import Studio
from imagegen.web import pages

DESCRIPTION = "Product pictures made on this machine, in the words of OpenAI's Images API."


FILES = {
    check.PATH: check.MAX_PICTURE_BYTES,
    cutout.PATH: cutout.MAX_PICTURE_BYTES,
    finish.PATH: finish.MAX_PICTURE_BYTES,
    inspect.PATH: inspect.MAX_PICTURE_BYTES,
    edits.PATH: edits.MAX_BYTES,
    jobs.PATH: jobs.MAX_BYTES,
    webui.IMG2IMG: webui.MAX_BYTES,
}
"""Paths that take whole files, and how large a body may be there."""


def create_app(
    studio: Studio, settings: Settings, lasting: Durable | None = None, metrics: Metrics | None = None
) -> FastAPI:
    """The service on `studio` and, where there is one, on `lasting`; both stay the caller's to close.
    Without the latter there are no jobs and no webhooks. `metrics` is what studio and jobs report to."""
    metrics = metrics or Metrics()
    metrics.watch("queue_pictures", "Pictures that wait for the device", lambda: studio.waiting)
    metrics.watch("queue_size", "Pictures that may wait", lambda: settings.queue_size)
    metrics.watch("ready", "1 when a picture could be made now", lambda: float(studio.ready))
    if lasting is not None:
        metrics.watch("queue_jobs", "Jobs that no worker has taken yet", lasting.jobs.waiting)
    with ExitStack() as opened:
        ring = KeyRing(settings.api_keys, settings)
        opened.callback(ring.close)
        allowance = Allowance(settings) if ring else None
        if allowance is not None:
            opened.callback(allowance.close)
        trail = AuditLog(settings) if settings.audit else None
        if trail is not None:
            opened.callback(trail.close)
        resources = opened.pop_all()
    layers = [
        Middleware(Envelope),
        Middleware(Measure, metrics, prompts=settings.log_prompts),
        *_cors(settings),
        *([] if ring else [Middleware(LoopbackOnly, settings.cors_origins)]),
        *([] if trail is None else [Middleware(AuditTrail, trail, prompts=settings.audit_prompts)]),
        Middleware(RequireKey, ring, ("/metrics",) if settings.metrics == "open" else ()),
        *([] if allowance is None else [Middleware(Limits, allowance)]),
        Middleware(BodyLimit, MAX_JSON_BYTES, FILES | {batches.PATH: settings.batch_megabytes << 20}),
    ]
    app = FastAPI(
        title="imagegen",
        version=__version__,
        description=DESCRIPTION,
        middleware=layers,
        lifespan=_closing(resources),
        docs_url=None,  # FastAPI's own pages load their scripts from elsewhere; ours is in imagegen/web
        redoc_url=None,
        telemetry=_telemetry(settings),
    )
    app.state.settings = settings
    app.state.jobs = None if lasting is None else lasting.jobs
    app.state.leaving = False
    problems.install(app)
    openapi.install(app, keys_required=bool(ring))
    for resource in (
        images,
        edits,
        models,
        presets,
        recipes,
        finish,
        cutout,
        check,
        inspect,
        artifacts,
        webui,
        health,
    ):
        app.include_router(resource.router(studio, settings))
    if lasting is not None:
        records = lasting.deliverer.records
        app.include_router(jobs.router(studio, settings, lasting.jobs, lasting.keys, records))
        app.include_router(webhooks.router(records, lasting.deliverer))
        app.include_router(batches.router(settings, lasting.batches))
    if settings.metrics != "off":
        app.include_router(metrics_route.router(metrics))
    app.include_router(pages.router())
    return app


def _telemetry(settings: Settings) -> TelemetryConfig:
    """FastAPI's own OpenTelemetry: off, or spans and measures of requests to the collector that the
    OTEL_EXPORTER_OTLP_... variables name. Bodies, and so prompts, are no part of them."""
    on = settings.opentelemetry
    if on:
        try:
            for needed in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"):
                importlib.import_module(needed)
        except ImportError as error:
            raise MissingDependency(
                "OpenTelemetry is not installed", field="opentelemetry", hint="pip install 'imagegen[otel]'"
            ) from error
    return {"tracing": on, "metrics": on, "logs": False, "auto_configure": on}


def _cors(settings: Settings) -> list[Middleware]:
    """Nothing unless the owner names origins; never with cookies, for there are none."""
    if not settings.cors_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
            expose_headers=[
                "x-request-id",
                "Location",
                "Retry-After",
                "RateLimit",
                "RateLimit-Policy",
                "ETag",
            ],
        )
    ]


def _closing(resources: ExitStack) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with resources:
            yield

    return lifespan
