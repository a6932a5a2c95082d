"""/v1/jobs and /v1/webhooks on real queues in front of a live server."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from standardwebhooks import Webhook

from imagegen import Settings, Studio
from imagegen.http.durable import Durable, durable
from imagegen.keys.records import KeyRecords
from imagegen.settings import load_settings
from tests.http.live_server import serving
from tests.webhooks.receiver import receiving

BODY = {"prompt": "a secret red handbag", "seed": 7, "steps": 2, "label": "SKU-1"}


@pytest.fixture(scope="module")
def own(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("jobs")
    return load_settings(**{**settings.model_dump(), "data_dir": folder, "private_addresses": True})


@pytest.fixture(scope="module")
def lasting(studio: Studio, own: Settings) -> Iterator[Durable]:
    with durable(studio, own) as lasting:
        yield lasting


@pytest.fixture(scope="module")
def http(studio: Studio, own: Settings, lasting: Durable) -> Iterator[httpx.Client]:
    with serving(studio, own, lasting) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def keyed(studio: Studio, own: Settings, lasting: Durable) -> Iterator[tuple[str, KeyRecords]]:
    records = KeyRecords(own)
    records.create("the first one")
    with serving(studio, own, lasting) as url:
        yield url, records
    records.close()


def ended(http: httpx.Client, id: str) -> dict[str, Any]:
    """Follows the events to the end and looks."""
    http.get(f"/v1/jobs/{id}/events")
    job: dict[str, Any] = http.get(f"/v1/jobs/{id}").json()
    return job


def events(answer: httpx.Response) -> list[dict[str, str]]:
    blocks = [block for block in answer.text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


def test_a_job_is_handed_in_followed_and_fetched(http: httpx.Client) -> None:
    answer = http.post("/v1/jobs", json=BODY)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert answer.headers["location"].endswith(f"/v1/jobs/{job['id']}")
    assert answer.headers["retry-after"] == "1"
    assert (job["label"], job["priority"], job["request"]["seed"]) == ("SKU-1", "interactive", 7)
    assert job["request"]["model"] == "tiny"
    seen = events(http.get(f"/v1/jobs/{job['id']}/events"))
    assert seen[-1]["event"] == "completed"
    assert [int(event["id"]) for event in seen] == sorted({int(event["id"]) for event in seen})
    done = http.get(answer.headers["location"]).json()
    assert done["status"] == "completed"
    assert done["ended_at"] >= done["started_at"] >= done["created_at"]
    picture = http.get(done["result"]["url"])
    assert picture.headers["content-type"] == "image/png"
    alone = http.post(
        "/v1/images/generations",
        json={"prompt": BODY["prompt"], "seed": 7, "steps": 2, "response_format": "url"},
    )
    assert http.get(alone.json()["data"][0]["url"]).content == picture.content


def test_events_go_on_after_the_last_one_that_was_seen(http: httpx.Client) -> None:
    id = http.post("/v1/jobs", json=BODY).json()["id"]
    last = events(http.get(f"/v1/jobs/{id}/events"))[-1]
    assert events(http.get(f"/v1/jobs/{id}/events")) == [last]
    headers = {"Last-Event-ID": last["id"]}
    assert events(http.get(f"/v1/jobs/{id}/events", headers=headers)) == []
    wrong = http.get(f"/v1/jobs/{id}/events", headers={"Last-Event-ID": "x"})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "Last-Event-ID")


def test_lists_have_filters_and_pages(http: httpx.Client) -> None:
    made = [ended(http, http.post("/v1/jobs", json=BODY).json()["id"])["id"] for _ in range(3)]
    found: list[str] = []
    after = None
    while True:
        params: dict[str, Any] = {"limit": 2, "status": "completed", **({"after": after} if after else {})}
        page = http.get("/v1/jobs", params=params).json()
        assert len(page["data"]) <= 2
        found += [job["id"] for job in page["data"]]
        after = page["next"]
        assert page["has_more"] == (after is not None)
        if after is None:
            break
    assert found[:3] == made[::-1]
    assert len(set(found)) == len(found)
    assert http.get("/v1/jobs", params={"status": "failed"}).json()["data"] == []
    assert http.get("/v1/jobs", params={"batch": "nobody's"}).json()["data"] == []
    for params, param in (({"status": "lost"}, "status"), ({"limit": 0}, "limit"), ({"after": "x"}, "after")):
        wrong = http.get("/v1/jobs", params=params)
        assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, param)


def test_deleting_leaves_no_trace(http: httpx.Client, own: Settings) -> None:
    body = {**BODY, "prompt": "an unmistakable vermilion umbrella"}
    job = ended(http, http.post("/v1/jobs", json=body).json()["id"])
    assert http.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert http.get(f"/v1/jobs/{job['id']}").status_code == 404
    assert http.delete(f"/v1/jobs/{job['id']}").status_code == 404
    assert http.get(job["result"]["url"]).status_code == 404
    for file in own.data_dir.glob("jobs.sqlite*"):
        assert b"vermilion" not in file.read_bytes()


def test_a_job_that_has_ended_stays_as_it_is_when_cancelled(http: httpx.Client) -> None:
    job = ended(http, http.post("/v1/jobs", json=BODY).json()["id"])
    assert http.post(f"/v1/jobs/{job['id']}/cancel").json()["status"] == "completed"
    assert http.post("/v1/jobs/job-0/cancel").status_code == 404


def test_a_deadline_that_has_passed_fails_the_job(http: httpx.Client) -> None:
    job = ended(http, http.post("/v1/jobs", json={**BODY, "deadline": time.time() - 1}).json()["id"])
    assert (job["status"], job["error"]["code"]) == ("failed", "deadline_exceeded")
    assert job["result"] is None


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"prompt": " "}, 400, "prompt"),
    ({"n": 2}, 400, "n"),
    ({"stream": True}, 400, "stream"),
    ({"size": "17x16"}, 400, "size"),
    ({"label": "x" * 201}, 400, "label"),
    ({"priority": "urgent"}, 400, "priority"),
    ({"deadline": -1}, 400, "deadline"),
    ({"webhook": "wh_0"}, 404, "webhook"),
    ({"model": "../tiny"}, 404, "model"),
    ({"recipe": {"fill": 7}}, 400, "recipe.fill"),
    ({"background": "transparent", "output_format": "jpeg"}, 400, "output_format"),
]


@pytest.mark.parametrize(("changes", "status", "param"), REFUSED, ids=[param for _, _, param in REFUSED])
def test_what_cannot_be_honoured_is_refused_by_name(
    http: httpx.Client, changes: dict[str, Any], status: int, param: str
) -> None:
    answer = http.post("/v1/jobs", json={**BODY, **changes})
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param), answer.text


def test_the_same_request_twice_is_one_job(http: httpx.Client) -> None:
    headers = {"Idempotency-Key": '"order-17"'}
    first = http.post("/v1/jobs", json=BODY, headers=headers)
    again = http.post("/v1/jobs", json=BODY, headers={"Idempotency-Key": "order-17"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    other = http.post("/v1/jobs", json={**BODY, "seed": 8}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert other.json()["error"]["param"] == "Idempotency-Key"


def test_a_key_of_a_request_that_was_refused_is_free_again(http: httpx.Client) -> None:
    headers = {"Idempotency-Key": "order-18"}
    assert http.post("/v1/jobs", json={**BODY, "size": "17x16"}, headers=headers).status_code == 400
    assert http.post("/v1/jobs", json=BODY, headers=headers).status_code == 202


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "two\twords"])
def test_what_is_no_idempotency_key_is_refused(http: httpx.Client, key: str) -> None:
    answer = http.post("/v1/jobs", json=BODY, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "Idempotency-Key")


def test_a_webhook_tells_of_the_end_and_its_receiver_can_verify_it(http: httpx.Client) -> None:
    with receiving() as receiver:
        endpoint = http.post("/v1/webhooks", json={"url": receiver.url}).json()
        job = ended(http, http.post("/v1/jobs", json={**BODY, "webhook": endpoint["id"]}).json()["id"])
        deadline = time.monotonic() + 60
        while (
            not (found := http.get(f"/v1/webhooks/{endpoint['id']}/deliveries").json()["data"])
            or found[0]["state"] == "pending"
        ):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    ((headers, body),) = receiver.heard
    told = Webhook(endpoint["secret"]).verify(body, headers)
    assert told["data"]["id"] == job["id"]
    assert told["data"]["artifact"] in job["result"]["url"]
    assert (found[0]["state"], found[0]["id"]) == ("delivered", headers["webhook-id"])
    assert "secret" not in http.get(f"/v1/webhooks/{endpoint['id']}").json()
    turned = http.post(f"/v1/webhooks/{endpoint['id']}/rotate").json()
    assert turned["secret"] != endpoint["secret"]
    wrong = http.post(f"/v1/webhooks/{endpoint['id']}/deliveries/{found[0]['id']}/retry")
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "delivery")
    assert http.delete(f"/v1/webhooks/{endpoint['id']}").status_code == 204
    assert http.get(f"/v1/webhooks/{endpoint['id']}").status_code == 404


@pytest.mark.parametrize("url", ["file:///etc/passwd", "https://u:p@127.0.0.1/", "https://", "x" * 3000])
def test_urls_that_lead_nowhere_are_refused(http: httpx.Client, url: str) -> None:
    answer = http.post("/v1/webhooks", json={"url": url})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "url")


def test_keys_see_their_own_jobs_and_admin_sees_all(keyed: tuple[str, KeyRecords]) -> None:
    url, records = keyed

    def client(**options: Any) -> httpx.Client:
        _, secret = records.create("shop", **options)
        return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=60)

    with client() as one, client(scopes=["jobs"]) as other, client(scopes=["admin"]) as boss:
        mine = one.post("/v1/jobs", json=BODY).json()["id"]
        theirs = other.post("/v1/jobs", json=BODY).json()["id"]
        assert other.get(f"/v1/jobs/{mine}").status_code == 404
        assert other.delete(f"/v1/jobs/{mine}").status_code == 404
        assert other.get(f"/v1/jobs/{mine}/events").status_code == 404
        assert [job["id"] for job in other.get("/v1/jobs").json()["data"]] == [theirs]
        assert {mine, theirs} <= {job["id"] for job in boss.get("/v1/jobs").json()["data"]}
        assert boss.get(f"/v1/jobs/{theirs}").status_code == 200
        endpoint = one.post("/v1/webhooks", json={"url": "http://127.0.0.1:1/"}).json()["id"]
        assert other.get(f"/v1/webhooks/{endpoint}").status_code == 404
        assert other.post("/v1/jobs", json={**BODY, "webhook": endpoint}).status_code == 404
        assert [ended(each, id)["status"] for each, id in ((one, mine), (other, theirs))] == ["completed"] * 2


def test_a_batch_keys_jobs_wait_behind_interactive_ones(keyed: tuple[str, KeyRecords]) -> None:
    url, records = keyed
    _, secret = records.create("nightly", priority="batch")
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as nightly:
        job = nightly.post("/v1/jobs", json=BODY).json()
        assert job["priority"] == "batch"
        answer = nightly.post("/v1/jobs", json={**BODY, "priority": "interactive"})
        assert (answer.status_code, answer.json()["error"]["param"]) == (403, "priority")
        assert ended(nightly, job["id"])["status"] == "completed"


def test_the_documents_routes_for_jobs_exist(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    assert {"/v1/jobs", "/v1/jobs/{id}", "/v1/jobs/{id}/events", "/v1/webhooks"} <= paths.keys()
    assert json.dumps(paths["/v1/jobs"]["post"]).count("Idempotency") >= 1


def photo(seed: int) -> str:
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def test_a_job_with_photos_and_what_deleting_it_leaves(http: httpx.Client, own: Settings) -> None:
    body = {**BODY, "image": photo(1), "strength": 0.4, "references": [photo(2), photo(3)], "size": "64x64"}
    answer = http.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    asked = answer.json()["request"]
    assert asked["image"] == hashlib.sha256(base64.b64decode(photo(1))).hexdigest()
    assert (asked["strength"], len(asked["references"])) == (0.4, 2)
    job = ended(http, answer.json()["id"])
    assert job["status"] == "completed"
    for hidden in (own.data_dir / "photos").iterdir():
        assert http.get(f"/v1/artifacts/{hidden.name}").status_code == 404
    assert len(list((own.data_dir / "photos").iterdir())) == 3
    assert http.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert list((own.data_dir / "photos").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"image": "https://example.com/a.png"}, "image"),
        ({"image": base64.b64encode(b"no picture").decode()}, "image"),
        ({"references": [photo(1), "%%%"]}, "references[1]"),
        ({"references": [photo(i) for i in range(5)]}, "references"),
        ({"strength": 0.5}, "strength"),
        ({"image": photo(1), "strength": 3}, "strength"),
        ({"fit": "crop"}, "fit"),
        ({"image": photo(1), "fit": "squeeze"}, "fit"),
    ],
    ids=str,
)
def test_photos_that_cannot_be_used_are_refused_at_once(
    http: httpx.Client, own: Settings, changes: dict[str, Any], param: str
) -> None:
    answer = http.post("/v1/jobs", json={**BODY, **changes})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    folder = own.data_dir / "photos"
    assert not folder.exists() or list(folder.iterdir()) == []
