"""/v1/batches on real queues in front of a live server, and a server that is killed in the middle of one."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from imagegen import Settings, Studio
from imagegen.http.durable import Durable, durable
from imagegen.keys.records import KeyRecords
from imagegen.settings import load_settings
from tests.http.live_server import serving

SHOPIFY = (
    "Handle,Title,Option1 Name,Option1 Value,Image Src\n"
    "bag,Bag,Color,Red,\nbag,,,Blue,\n,,,,\nhat,Hat,,,\nbag,Again,,,\n"
)
SECONDS = 120


@pytest.fixture(scope="module")
def own(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("batches")
    return load_settings(
        **{**settings.model_dump(), "data_dir": folder, "batch_pictures": 50, "batch_megabytes": 1}
    )


@pytest.fixture(scope="module")
def lasting(studio: Studio, own: Settings) -> Iterator[Durable]:
    with durable(studio, own) as lasting:
        yield lasting


@pytest.fixture(scope="module")
def http(studio: Studio, own: Settings, lasting: Durable) -> Iterator[httpx.Client]:
    with serving(studio, own, lasting) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def hand_in(http: httpx.Client, text: str | bytes, name: str = "shop.csv", **fields: Any) -> httpx.Response:
    params: dict[str, Any] = {key: fields.pop(key) for key in ("dry_run", "show") if key in fields}
    return http.post("/v1/batches", files={"file": (name, text)}, data=fields, params=params)


def ended(http: httpx.Client, id: str) -> dict[str, Any]:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        batch: dict[str, Any] = http.get(f"/v1/batches/{id}").json()
        if batch["status"] != "running":
            return batch
        time.sleep(0.05)
    raise AssertionError(f"still running after {SECONDS} s: {batch}")


def test_a_catalogue_becomes_pictures_manifest_gallery_and_archive(http: httpx.Client) -> None:
    answer = hand_in(http, SHOPIFY, each_color="true", image_url="https://cdn.example/")
    assert answer.status_code == 202, answer.text
    batch = answer.json()
    assert answer.headers["location"].endswith(f"/v1/batches/{batch['id']}")
    assert (batch["total"], batch["dialect"], batch["name"]) == (4, "shopify-legacy", "shop.csv")
    done = ended(http, batch["id"])
    assert (done["status"], done["completed"], done["failed"]) == ("completed", 3, 1)
    lines = list(csv.DictReader(io.StringIO(http.get(done["links"]["manifest_csv"]).text)))
    assert [(line["id"], line["color"], line["status"]) for line in lines] == [
        ("bag", "Red", "completed"),
        ("bag", "Blue", "completed"),
        ("hat", "", "completed"),
        ("bag", "", "failed"),
    ]
    assert "already row 1" in lines[3]["error"]
    entries = [json.loads(line) for line in http.get(done["links"]["manifest_jsonl"]).text.splitlines()]
    assert [entry["file"] for entry in entries] == ["bag-Red.png", "bag-Blue.png", "hat.png", None]
    shop = list(csv.DictReader(io.StringIO(http.get(done["links"]["shop_csv"]).text)))
    assert [row["Image Src"] for row in shop] == [
        "https://cdn.example/bag-Red.png",
        "https://cdn.example/bag-Blue.png",
        "https://cdn.example/hat.png",
        "",
    ]
    page = http.get(done["links"]["gallery"], follow_redirects=True)
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert 'src="bag-Red.png"' in page.text
    picture = http.get(f"/v1/batches/{batch['id']}/files/bag-Red.png")
    assert picture.headers["content-type"] == "image/png"
    archive = zipfile.ZipFile(io.BytesIO(http.get(done["links"]["archive"]).content))
    assert archive.testzip() is None
    assert set(archive.namelist()) == {
        "manifest.csv",
        "manifest.jsonl",
        "gallery.html",
        "shop.csv",
        "bag-Red.png",
        "bag-Blue.png",
        "hat.png",
    }
    assert archive.read("bag-Red.png") == picture.content
    jobs = http.get("/v1/jobs", params={"batch": batch["id"]}).json()["data"]
    assert {job["label"] for job in jobs} == {"bag", "hat"}
    assert http.get("/v1/batches").json()["data"][0]["id"] == batch["id"]
    assert http.delete(f"/v1/batches/{batch['id']}").status_code == 204
    assert http.get(f"/v1/batches/{batch['id']}").status_code == 404
    assert http.get("/v1/jobs", params={"batch": batch["id"]}).json()["data"] == []


def test_several_presets_come_from_one_generation(http: httpx.Client) -> None:
    batch = hand_in(http, "id,description\na,Bag\n", preset=["etsy", "ebay"]).json()
    done = ended(http, batch["id"])
    manifest = http.get(done["links"]["manifest_csv"]).text
    assert (done["status"], done["completed"], done["error"]) == ("completed", 1, None), manifest
    names = zipfile.ZipFile(io.BytesIO(http.get(batch["links"]["archive"]).content)).namelist()
    assert {"etsy/a.jpg", "ebay/a.jpg"} <= set(names)
    assert len(http.get("/v1/jobs", params={"batch": batch["id"]}).json()["data"]) == 1


def test_a_dry_run_shows_prompts_and_keeps_nothing(http: httpx.Client, own: Settings) -> None:
    before = set((own.data_dir / "batches").iterdir()) if (own.data_dir / "batches").exists() else set()
    answer = hand_in(http, SHOPIFY, dry_run=True, show=1, template="{title} photo")
    assert answer.status_code == 200
    seen = answer.json()
    assert (seen["object"], seen["total"], seen["failed"]) == ("batch.preview", 3, 1)
    assert [picture["prompt"] for picture in seen["pictures"]] == ["Bag photo"]
    assert set((own.data_dir / "batches").iterdir()) == before


@pytest.mark.parametrize(
    ("text", "fields", "status", "param"),
    [
        ("name;price\nbag;3\n", {}, 400, "file"),
        ("", {}, 400, "file"),
        (b"PK\x03\x04" + b"0" * 100, {}, 400, "file"),
        (b"\x1f\x8b" + b"0" * 100, {}, 400, "file"),
        ("id,description\n", {}, 400, "file"),
        ("id,description\n" + "".join(f"{n},Bag\n" for n in range(51)), {}, 400, "file"),
        ('<!DOCTYPE r [<!ENTITY a "a">]><rss/>', {}, 400, "file"),
        (SHOPIFY, {"template": "{nothing}"}, 400, "template"),
        (SHOPIFY, {"columns": "foo"}, 400, "columns"),
        (SHOPIFY, {"variants": "0"}, 400, "variants"),
        (SHOPIFY, {"preset": "nobody"}, 400, "preset"),
        (SHOPIFY, {"unknown": "1"}, 400, "unknown"),
        ("x" * (2 << 20), {}, 413, None),
    ],
)
def test_what_cannot_be_a_batch_is_refused_by_name(
    http: httpx.Client,
    own: Settings,
    text: str | bytes,
    fields: dict[str, str],
    status: int,
    param: str | None,
) -> None:
    answer = hand_in(http, text, **fields)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["param"] == param
    assert str(own.data_dir) not in answer.text
    assert list((own.data_dir / "batches").glob(".*")) == []


@pytest.mark.parametrize(
    "name",
    [
        "../batch.json",
        "%2e%2e/batch.json",
        "..%2fcatalogue",
        ".generated/a.png",
        "/etc/passwd",
        "no.png",
        "a%00.png",
    ],
)
def test_no_name_leads_out_of_the_batch(http: httpx.Client, name: str) -> None:
    batch = hand_in(http, "id,description\na,Bag\n").json()
    ended(http, batch["id"])
    assert http.get(f"/v1/batches/{batch['id']}/files/{name}").status_code == 404


def test_a_batch_that_runs_can_be_cancelled(http: httpx.Client) -> None:
    text = "id,description\n" + "".join(f"p{n},Bag\n" for n in range(50))
    id = hand_in(http, text).json()["id"]
    cancelled = http.post(f"/v1/batches/{id}/cancel").json()
    assert cancelled["status"] == "cancelled"
    assert cancelled["completed"] < 50
    waiting = [
        http.get("/v1/jobs", params={"batch": id, "status": s}).json()["data"]
        for s in ("queued", "generating")
    ]
    assert waiting[0] == []
    assert http.post(f"/v1/batches/{id}/cancel").json()["status"] == "cancelled"
    assert http.get(f"/v1/batches/{id}/archive.zip").status_code == 200


def traces(folder: Path, text: str) -> list[Path]:
    """Files that hold it, in their bytes or in their names."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if text in str(path) or text.encode() in path.read_bytes()]


@pytest.mark.parametrize("how", ["on request", "for its age"])
def test_a_batch_that_is_deleted_leaves_no_trace(
    http: httpx.Client, own: Settings, lasting: Durable, how: str
) -> None:
    before = set((own.data_dir / "artifacts").glob("*"))
    id = hand_in(http, "id,description\na,Xylophone bag\nb,Xylophone hat\n").json()["id"]
    ended(http, id)
    assert traces(own.data_dir, "Xylophone")
    assert traces(own.data_dir, id)
    jobs = [job["id"] for job in http.get("/v1/jobs", params={"batch": id}).json()["data"]]
    if how == "on request":
        assert http.delete(f"/v1/batches/{id}").status_code == 204
    else:
        kept = hand_in(http, "id,description\n" + "".join(f"k{n},Bag\n" for n in range(9))).json()["id"]
        assert lasting.batches.forget_before(time.time() - 3600) == 0
        assert lasting.batches.forget_before(time.time() + 1) >= 1
        assert http.get(f"/v1/batches/{kept}").status_code == 200  # it runs
        http.delete(f"/v1/batches/{kept}")
    assert http.get(f"/v1/batches/{id}").status_code == 404
    assert len(jobs) == 2
    assert [http.get(f"/v1/jobs/{job}").status_code for job in jobs] == [404, 404]
    assert traces(own.data_dir, "Xylophone") == []
    log = [own.data_dir / "jobs.sqlite"]  # where the audit log says that it was, and no more than that
    assert set(traces(own.data_dir, id)) <= {*log, own.data_dir / "jobs.sqlite-wal"}
    assert set((own.data_dir / "artifacts").glob("*")) <= before


def test_a_cancelled_batch_says_how_far_it_came(http: httpx.Client) -> None:
    id = hand_in(http, "id,description\n" + "".join(f"p{n},Bag\n" for n in range(50))).json()["id"]
    until = time.monotonic() + SECONDS
    while http.get(f"/v1/batches/{id}").json()["completed"] < 2 and time.monotonic() < until:
        time.sleep(0.02)
    cancelled = http.post(f"/v1/batches/{id}/cancel").json()
    manifest = http.get(f"/v1/batches/{id}/manifest.csv").text.splitlines()
    assert cancelled["completed"] == len(manifest) - 1 >= 2
    assert http.get(f"/v1/batches/{id}").json()["completed"] == cancelled["completed"]


def test_a_key_sees_its_own_batches_only(studio: Studio, own: Settings, lasting: Durable) -> None:
    records = KeyRecords(own)
    mine, theirs = (
        records.create(name, scopes=("jobs",), quota=3 if name == "mine" else None)
        for name in ("mine", "theirs")
    )
    with serving(studio, own, lasting) as url:
        one, two = (
            httpx.Client(base_url=url, timeout=60, headers={"Authorization": f"Bearer {secret}"})
            for _, secret in (mine, theirs)
        )
        with one, two:
            id = hand_in(one, "id,description\na,Bag\nb,Hat\n").json()["id"]
            done = ended(one, id)
            assert (done["status"], done["completed"], done["error"]) == ("completed", 2, None)
            for path in ("", "/manifest.csv", "/archive.zip", "/gallery", "/files/a.png"):
                assert two.get(f"/v1/batches/{id}{path}").status_code == 404
            assert two.delete(f"/v1/batches/{id}").status_code == 404
            assert two.get("/v1/batches").json()["data"] == []
            over = hand_in(one, "id,description\nc,Bag\nd,Hat\n")
            assert over.status_code == 429
            assert httpx.get(f"{url}/v1/batches").status_code == 401
    for key, _ in (mine, theirs):
        records.revoke(key.id)
    records.close()


@contextmanager
def server(data: Path, model: Path) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """A real `imagegen serve` in a process of its own."""
    env = os.environ | {"IMAGEGEN_DATA_DIR": str(data), "IMAGEGEN_MODEL": str(model), "IMAGEGEN_THREADS": "1"}
    program = "import sys; from imagegen.cli.app import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "serve", "--port", "0"]
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        url = next(word for line in process.stderr for word in line.split() if word.startswith("http://"))
        with httpx.Client(base_url=url, timeout=60) as client:
            yield process, client
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_killed_server_goes_on_where_it_was(tmp_path: Path, tiny_checkpoint: Path) -> None:
    total = 40
    text = "id,description\n" + "".join(f"p{n},Bag number {n}\n" for n in range(total))
    with server(tmp_path, tiny_checkpoint) as (process, http):
        id = hand_in(http, text).json()["id"]
        until = time.monotonic() + SECONDS
        while (seen := http.get(f"/v1/batches/{id}").json()["completed"]) < 3 and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    out = tmp_path / "batches" / id / "out"
    first = {path.name: path.stat().st_ino for path in out.glob("*.png")}
    assert 3 <= len(first) < total
    with server(tmp_path, tiny_checkpoint) as (_, http):
        counts = [http.get(f"/v1/batches/{id}").json()["completed"]]
        while counts[-1] < total and time.monotonic() < until:
            counts.append(http.get(f"/v1/batches/{id}").json()["completed"])
        assert counts[0] >= seen  # what was done before the crash was not forgotten by it
        assert counts == sorted(counts)
        done = ended(http, id)
        assert (done["status"], done["completed"], done["failed"]) == ("completed", total, 0)
        lines = list(csv.DictReader(io.StringIO(http.get(done["links"]["manifest_csv"]).text)))
    assert [line["id"] for line in lines] == [f"p{n}" for n in range(total)]
    pictures = {path.name: path.stat().st_ino for path in out.glob("*.png")}
    assert set(pictures) == {f"p{n}.png" for n in range(total)}
    assert first.items() <= pictures.items()  # what was finished is the same file still
    assert len(list((tmp_path / "artifacts").glob("[!.]*"))) == total
