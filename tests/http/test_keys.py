"""Keys on record, in front of a live server: scopes, limits, revocation, and what the audit log says."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from fastapi.routing import APIRoute

from imagegen import Settings, Studio
from imagegen.audit.log import AuditLog
from imagegen.errors import SettingsInvalid
from imagegen.http.app import create_app
from imagegen.http.auth import SCOPE_OF, asks_for_keys, guarded
from imagegen.http.loopback import check_exposure
from imagegen.keys.records import KeyRecords
from imagegen.settings import load_settings
from tests.http.live_server import serving

PROMPT = "a secret red handbag"


@pytest.fixture(scope="module")
def keyed(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings(**{**settings.model_dump(), "data_dir": tmp_path_factory.mktemp("keyed")})


@pytest.fixture(scope="module")
def records(keyed: Settings) -> Iterator[KeyRecords]:
    records = KeyRecords(keyed)
    records.create("the first one")
    yield records
    records.close()


@pytest.fixture(scope="module")
def url(studio: Studio, keyed: Settings, records: KeyRecords) -> Iterator[str]:
    with serving(studio, keyed) as url:
        yield url


def asked(url: str, path: str, secret: str, **options: Any) -> httpx.Response:
    method = "POST" if options else "GET"
    return httpx.request(
        method, url + path, headers={"Authorization": f"Bearer {secret}"}, timeout=60, **options
    )


def test_a_key_opens_its_scope_and_nothing_else(url: str, records: KeyRecords) -> None:
    _, secret = records.create("shop", scopes=["finish"])
    assert asked(url, "/v1/models", secret).status_code == 200
    answer = asked(url, "/v1/images/generations", secret, json={"prompt": PROMPT})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "scope_missing")
    assert "'generate'" in answer.json()["detail"]


def test_a_key_made_while_the_server_runs_works_and_a_revoked_one_does_not(
    url: str, records: KeyRecords
) -> None:
    key, secret = records.create("shop")
    assert asked(url, "/v1/models", secret).status_code == 200
    records.revoke(key.id)
    assert asked(url, "/v1/models", secret).status_code == 401


def test_the_openai_client_hears_why(url: str, records: KeyRecords) -> None:
    _, secret = records.create("shop", scopes=["finish"])
    with openai.OpenAI(base_url=f"{url}/v1", api_key=secret, max_retries=0) as client:
        with pytest.raises(openai.PermissionDeniedError) as refusal:
            client.images.generate(prompt=PROMPT)
        assert refusal.value.type == "permission_error"


def test_a_rate_is_counted_and_told(url: str, records: KeyRecords) -> None:
    _, secret = records.create("shop", rate=2)
    first, second, third = (asked(url, "/v1/models", secret) for _ in range(3))
    if third.status_code == 200:  # the minute ended between them
        second, third = third, [asked(url, "/v1/models", secret) for _ in range(2)][1]
    assert first.headers["ratelimit-policy"] == '"requests";q=2;w=60'
    assert first.headers["ratelimit"].startswith('"requests";r=1;t=')
    assert second.status_code == 200
    assert (third.status_code, third.json()["code"]) == (429, "quota_exceeded")
    assert 1 <= int(third.headers["retry-after"]) <= 60
    assert third.headers["ratelimit"].startswith('"requests";r=0;t=')


def test_a_quota_counts_pictures_and_not_what_was_refused(url: str, records: KeyRecords) -> None:
    _, secret = records.create("shop", quota=3)
    body = {"prompt": PROMPT, "n": 2, "steps": 1, "recipe": False}
    assert asked(url, "/v1/images/generations", secret, json={**body, "size": "17x16"}).status_code == 400
    made = asked(url, "/v1/images/generations", secret, json=body)
    assert made.status_code == 200, made.text
    assert made.headers["ratelimit"].startswith('"pictures";r=1;t=')
    refused = asked(url, "/v1/images/generations", secret, json=body)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert asked(url, "/v1/images/generations", secret, json={**body, "n": 1}).status_code == 200


def test_the_audit_log_says_who_did_what_and_no_prompt(
    url: str, records: KeyRecords, keyed: Settings
) -> None:
    key, secret = records.create("shop")
    made = asked(url, "/v1/images/generations", secret, json={"prompt": PROMPT, "steps": 1})
    asked(url, "/v1/models", secret)
    asked(url, "/v1/models", "igk_wrong")
    log = AuditLog(keyed)
    mine, stranger = [log.latest(2)[0], log.latest(1)[0]]
    log.verify()
    log.close()
    assert (mine.actor, mine.action, mine.outcome) == (key.id, "POST /v1/images/generations", "200")
    assert mine.details["pictures"] == 1
    assert mine.details["request_id"] == made.headers["x-request-id"]
    assert (stranger.actor, stranger.action, stranger.outcome) == ("nobody", "GET /v1/models", "401")
    for file in keyed.data_dir.glob("jobs.sqlite*"):
        assert PROMPT.encode() not in file.read_bytes()
        assert secret.encode() not in file.read_bytes()


def test_no_key_is_ever_logged_whatever_becomes_of_its_request(
    url: str, records: KeyRecords, keyed: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key, secret = records.create("shop", scopes=["generate"])
    wrong = "igk_" + "0123456789abcdef" * 4
    asked(url, "/v1/images/generations", secret, json={"prompt": PROMPT, "steps": 1})
    asked(url, "/v1/images/generations", secret, json={"prompt": ""})
    asked(url, "/v1/jobs", secret)
    asked(url, "/v1/models", wrong)
    httpx.get(f"{url}/sdapi/v1/options", auth=("user", secret))
    httpx.get(f"{url}/v1/models", params={"key": secret})  # where a key does not belong
    records.revoke(key.id)
    asked(url, "/v1/models", secret)
    # The client's own, and uvicorn's, which `serve` switches off.
    others = ("httpx", "httpcore", "uvicorn")
    ours = [record for record in caplog.records if record.name.partition(".")[0] not in others]
    assert any(record.name == "imagegen.access" for record in ours)
    said = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in ours).encode()
    kept = b"".join(file.read_bytes() for file in keyed.data_dir.rglob("*") if file.is_file())
    for one in (secret, wrong):
        assert one.encode() not in said
        assert one.encode() not in kept


def test_refusals_cannot_fill_the_log(url: str, keyed: Settings, records: KeyRecords) -> None:
    before = _entries(keyed)
    with httpx.Client(base_url=url) as client:
        for _ in range(150):
            assert client.get("/v1/models").status_code == 401
    assert _entries(keyed) - before <= 121  # two minutes' worth at most
    _, secret = records.create("shop")
    asked(url, "/v1/nothing", secret, json={})
    log = AuditLog(keyed)
    left_out = sum(entry.details.get("refusals_left_out", 0) for entry in log.latest(150))
    log.close()
    assert left_out >= 29


def test_prompts_are_logged_where_the_owner_wants_it(
    studio: Studio, settings: Settings, tmp_path: Path
) -> None:
    told = load_settings(**{**settings.model_dump(), "data_dir": tmp_path, "audit_prompts": True})
    with serving(studio, told) as url:
        httpx.post(f"{url}/v1/images/generations", json={"prompt": PROMPT, "steps": 1}, timeout=60)
    log = AuditLog(told)
    (entry,) = log.read()
    log.close()
    assert (entry.actor, entry.details["prompt"]) == ("local", PROMPT)


def test_without_the_log_nothing_is_written(studio: Studio, settings: Settings, tmp_path: Path) -> None:
    silent = load_settings(**{**settings.model_dump(), "data_dir": tmp_path / "new", "audit": False})
    with serving(studio, silent) as url:
        assert httpx.post(f"{url}/v1/images/generations", json={}).status_code == 400
    assert not (tmp_path / "new").exists()


def test_revoking_the_last_key_does_not_open_the_server(settings: Settings, tmp_path: Path) -> None:
    own = load_settings(**{**settings.model_dump(), "data_dir": tmp_path})
    assert not asks_for_keys(own)
    with pytest.raises(SettingsInvalid, match="keys create"):
        check_exposure(load_settings(host="0.0.0.0"), keys=asks_for_keys(own))
    records = KeyRecords(own)
    key, _ = records.create("shop")
    records.revoke(key.id)
    records.close()
    assert asks_for_keys(own)
    check_exposure(load_settings(host="0.0.0.0"), keys=True)


def test_every_route_is_guarded_by_name_or_open_on_purpose(studio: Studio, settings: Settings) -> None:
    open_to_all = {"/healthz", "/readyz"}
    for route in create_app(studio, settings).routes:
        if isinstance(route, APIRoute) and route.path not in open_to_all:
            assert guarded(route.path), route.path
            assert any(route.path == root or route.path.startswith(root + "/") for root in SCOPE_OF), (
                route.path
            )


def _entries(settings: Settings) -> int:
    with sqlite3.connect(settings.data_dir / "jobs.sqlite") as plain:
        (count,) = plain.execute("SELECT count(*) FROM imagegen_audit").fetchone()
    plain.close()
    return int(count)
