"""GET /healthz: the process answers. GET /readyz: a picture could be made now, and a job taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from imagegen import __version__
from imagegen.http.schemas.health import Liveness, Readiness
from imagegen.settings import Settings
from imagegen.studio import Studio

if TYPE_CHECKING:
    from imagegen.jobs.jobs import Jobs


def router(studio: Studio, settings: Settings) -> APIRouter:
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz")
    async def healthz() -> Liveness:
        """Answers as long as the process does."""
        return Liveness(version=__version__)

    @routes.get("/readyz", responses={503: {"model": Readiness, "description": "Not ready, and why"}})
    async def readyz(request: Request, response: Response) -> Readiness:
        """200 when the engine lives, a model is at hand, the jobs database answers and nobody has told the
        server to stop; else 503, and `reasons` says why."""
        jobs: Jobs | None = request.app.state.jobs
        reasons = studio.ailments()
        if jobs is not None and not jobs.healthy:
            reasons.append("the jobs database does not answer")
        if request.app.state.leaving:
            reasons.append("the server is stopping")
        response.status_code = 503 if reasons else 200
        return Readiness(
            status="not_ready" if reasons else "ready",
            reasons=reasons,
            waiting=studio.waiting,
            queue_size=settings.queue_size,
        )

    return routes
