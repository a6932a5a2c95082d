"""imagegen webhooks, against a real receiver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from imagegen.jobs.job import Job, JobState
from imagegen.request import ImageRequest
from imagegen.settings import load_settings
from imagegen.webhooks.deliver import WAITS
from imagegen.webhooks.telling import telling
from tests.webhooks.receiver import receiving

Imagegen = Callable[..., Any]


def test_an_endpoint_is_made_turned_over_and_taken_away(imagegen: Imagegen) -> None:
    made = imagegen("webhooks", "add", "https://93.184.216.34/hook", "--json").json()
    assert made["secret"].startswith("whsec_")
    turned = imagegen("webhooks", "rotate", made["id"])
    assert turned.out.strip() not in ("", made["secret"])
    listed = imagegen("webhooks", "list")
    assert made["id"] in listed.out
    assert "whsec_" not in listed.out
    assert imagegen("webhooks", "remove", made["id"]).code == 0
    assert imagegen("webhooks", "list", "--json").json() == {"webhooks": []}
    assert imagegen("webhooks", "remove", made["id"]).code == 19


def test_private_addresses_are_refused(imagegen: Imagegen) -> None:
    assert imagegen("webhooks", "add", "https://169.254.169.254/").code == 2


def test_dead_letters_are_shown_and_sent_again(imagegen: Imagegen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEGEN_PRIVATE_ADDRESSES", "1")
    with receiving() as receiver, telling(load_settings()) as deliverer:
        deliverer._again = lambda job, attempts, seconds: None
        receiver.answers = [500]
        endpoint = imagegen("webhooks", "add", receiver.url, "--json").json()
        job = Job("job-1", JobState.CANCELLED, ImageRequest("cap"), webhook=endpoint["id"])
        for _ in range(len(WAITS) + 1):
            deliverer.on_end(job)
        (dead,) = imagegen("webhooks", "deliveries", endpoint["id"], "--dead", "--json").json()["deliveries"]
        assert dead["id"] in imagegen("webhooks", "deliveries", endpoint["id"]).out
        receiver.answers = [200]
        assert (
            imagegen("webhooks", "retry", endpoint["id"], dead["id"], "--json").json()["state"] == "delivered"
        )
        assert imagegen("webhooks", "retry", endpoint["id"], "msg_0").code == 19
