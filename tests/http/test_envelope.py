"""Every answer carries an id, and even the unforeseen gets a body."""

from __future__ import annotations

import logging

import httpx
import pytest

from imagegen import Settings, Studio
from tests.http.live_server import serving


@pytest.mark.parametrize("path", ["/", "/healthz", "/v1/models", "/nothing"])
def test_every_answer_has_an_id_of_its_own(http: httpx.Client, path: str) -> None:
    ids = {http.get(f"{path}").headers["x-request-id"] for _ in range(2)}
    assert len(ids) == 2


class BrokenStudio(Studio):
    @property
    def waiting(self) -> int:
        raise RuntimeError("nobody foresaw this")


def test_the_unforeseen_is_a_500_whose_id_the_log_knows(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with BrokenStudio(settings) as studio, serving(studio, settings) as url, caplog.at_level(logging.ERROR):
        answer = httpx.get(f"{url}/readyz")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "nobody foresaw this" not in answer.text
    assert answer.headers["x-request-id"] in caplog.text
    assert "nobody foresaw this" in caplog.text
