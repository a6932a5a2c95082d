"""GET /healthz: the process answers. GET /readyz: a picture could be made now."""

from __future__ import annotations

from fastapi import APIRouter, Response

from imagegen import __version__
from imagegen.http.schemas.health import Liveness, Readiness
from imagegen.settings import Settings
from imagegen.studio import Studio


def router(studio: Studio, settings: Settings) -> APIRouter:
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz")
    async def healthz() -> Liveness:
        """Answers as long as the process does."""
        return Liveness(version=__version__)

    @routes.get("/readyz", responses={503: {"model": Readiness, "description": "No model is loaded (yet)"}})
    async def readyz(response: Response) -> Readiness:
        """200 when the engine lives and a model is in memory, else 503."""
        ready = studio.ready
        response.status_code = 200 if ready else 503
        return Readiness(
            status="ready" if ready else "not_ready", waiting=studio.waiting, queue_size=settings.queue_size
        )

    return routes
