"""GET /metrics: what Prometheus reads."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from imagegen.metrics import Metrics


def router(metrics: Metrics) -> APIRouter:
    routes = APIRouter(tags=["health"])

    @routes.get("/metrics", response_class=PlainTextResponse)
    def read_metrics() -> Response:
        """Measures of this process in Prometheus's text format. On a server with keys it needs one with the
        scope `admin`, unless its owner has opened it."""
        return Response(metrics.text(), media_type=metrics.content_type)

    return routes
