"""What probes see before and after the model is in memory."""

from __future__ import annotations

import httpx

from imagegen import Settings, Studio, __version__
from tests.http.live_server import serving


def test_ready_when_the_model_is_in_memory_and_alive_before(settings: Settings) -> None:
    with Studio(settings) as studio, serving(studio, settings) as url:
        assert httpx.get(f"{url}/healthz").json() == {"status": "ok", "version": __version__}
        early = httpx.get(f"{url}/readyz")
        assert (early.status_code, early.json()["status"]) == (503, "not_ready")
        assert early.json()["reasons"] == ["no model is in memory (yet)"]
        studio.warm_up()
        late = httpx.get(f"{url}/readyz")
        assert (late.status_code, late.json()) == (
            200,
            {"status": "ready", "reasons": [], "waiting": 0, "queue_size": settings.queue_size},
        )
