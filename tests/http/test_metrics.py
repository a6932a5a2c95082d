"""GET /metrics and the log of requests, in front of a live server."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from imagegen import Settings, Studio
from imagegen.errors import MissingDependency
from imagegen.http.app import create_app
from imagegen.keys.records import KeyRecords
from imagegen.metrics import Metrics
from imagegen.settings import load_settings
from tests.http.live_server import serving

PROMPT = "a secret red handbag"


def value(text: str, name: str, **labels: str) -> float:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return float(sample.value)
    raise KeyError(name)


def test_requests_pictures_and_stages_are_measured(settings: Settings) -> None:
    metrics = Metrics()
    with Studio(settings, observe=metrics.observe) as studio, serving(studio, settings, None, metrics) as url:
        body = {"prompt": PROMPT, "n": 2, "steps": 1}
        assert httpx.post(f"{url}/v1/images/generations", json=body, timeout=60).status_code == 200
        httpx.get(f"{url}/v1/artifacts/nothing")
        httpx.get(f"{url}/wp-login.php")
        answer = httpx.get(f"{url}/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    text = answer.text
    assert value(text, "imagegen_pictures_total", model="tiny", outcome="completed") == 2
    for stage in ("queue", "load", "prompt", "denoise", "decode", "finish"):
        assert value(text, "imagegen_stage_seconds_count", stage=stage) == 2
    assert value(text, "imagegen_http_requests_total", route="/v1/images/generations", status="200") == 1
    assert value(text, "imagegen_http_requests_total", route="/v1/artifacts/{id}", status="404") == 1
    assert value(text, "imagegen_http_requests_total", route="unmatched", status="404") == 1
    assert value(text, "imagegen_queue_pictures") == 0
    assert value(text, "imagegen_queue_size") == settings.queue_size
    assert value(text, "imagegen_ready") == 1
    assert "handbag" not in text


def test_what_fails_is_counted_by_its_code(settings: Settings) -> None:
    metrics = Metrics()
    with Studio(settings, observe=metrics.observe) as studio:

        def stop(done: int, total: int) -> None:
            raise ZeroDivisionError

        stopped = studio.submit("cap", on_step=stop, steps=2)
        with pytest.raises(ZeroDivisionError):
            stopped.result(60)
    assert value(metrics.text().decode(), "imagegen_pictures_total", outcome="internal_error") == 1


def test_with_keys_it_needs_admin_unless_it_is_open_or_off(
    studio: Studio, settings: Settings, tmp_path: Path
) -> None:
    own = load_settings(**{**settings.model_dump(), "data_dir": tmp_path})
    records = KeyRecords(own)
    _, plain = records.create("shop", scopes=["generate"])
    _, admin = records.create("prometheus", scopes=["admin"])
    records.close()

    def asked(url: str, key: str | None = None) -> int:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.get(f"{url}/metrics", headers=headers).status_code

    with serving(studio, own) as url:
        assert [asked(url), asked(url, plain), asked(url, admin)] == [401, 403, 200]
    with serving(studio, load_settings(**{**own.model_dump(), "metrics": "open"})) as url:
        assert asked(url) == 200
    with serving(studio, load_settings(**{**own.model_dump(), "metrics": "off"})) as url:
        assert asked(url, admin) == 404


@pytest.mark.parametrize("prompts", [False, True])
def test_a_request_is_logged_without_its_prompt_unless_the_owner_wants_it(
    studio: Studio, settings: Settings, caplog: pytest.LogCaptureFixture, prompts: bool
) -> None:
    own = load_settings(**{**settings.model_dump(), "log_prompts": prompts, "api_keys": ("secret-key",)})
    with serving(studio, own) as url, caplog.at_level(logging.INFO):
        headers = {"Authorization": "Bearer secret-key"}
        answer = httpx.post(
            f"{url}/v1/images/generations", json={"prompt": PROMPT, "steps": 1}, headers=headers, timeout=60
        )
        httpx.get(f"{url}/v1/models", headers={"Authorization": "Bearer wrong-key"})
    first, second = (record for record in caplog.records if record.name == "imagegen.access")
    facts = vars(first)
    assert (facts["method"], facts["route"], facts["status"]) == ("POST", "/v1/images/generations", 200)
    assert facts["request_id"] == answer.headers["x-request-id"]
    assert (facts["key"], facts["pictures"]) == ("local", 1)
    assert (vars(second)["status"], vars(second)["key"]) == (401, None)
    assert facts.get("prompt") == (PROMPT if prompts else None)
    everything = " ".join(str(vars(record)) for record in caplog.records)
    assert "secret-key" not in everything
    assert "wrong-key" not in everything


def test_opentelemetry_without_its_packages_is_refused_by_name(
    studio: Studio, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    with pytest.raises(MissingDependency) as refusal:
        create_app(studio, load_settings(**{**settings.model_dump(), "opentelemetry": True}))
    assert refusal.value.field == "opentelemetry"
