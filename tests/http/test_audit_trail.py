"""The layer that writes the audit log: one entry a request, on disk before the answer leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.testclient import TestClient
from starlette.middleware import Middleware

from imagegen.audit.entry import Entry
from imagegen.audit.log import AuditLog
from imagegen.http.audit_trail import AuditTrail, expect, note
from imagegen.http.envelope import Envelope
from imagegen.settings import load_settings

PATH = "/v1/things"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    log = AuditLog(load_settings(data_dir=tmp_path))
    yield log
    log.close()


@pytest.fixture
def client(log: AuditLog) -> Iterator[TestClient]:
    app = FastAPI(middleware=[Middleware(Envelope), Middleware(AuditTrail, log)])

    @app.post(PATH)
    async def make(request: Request, end: str) -> int:
        note(request, pictures=1)
        if end != "unforeseen":
            expect(request, 200)
        if end == "refused":
            raise HTTPException(400)
        if end.startswith("unforeseen"):
            raise RuntimeError("nobody foresaw this")
        return len(log.read())

    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def entries(log: AuditLog) -> list[Entry]:
    log.verify()
    return log.read()


def test_an_expected_answer_has_one_entry(client: TestClient, log: AuditLog) -> None:
    answer = client.post(PATH, params={"end": "well"})
    (entry,) = entries(log)
    assert (answer.status_code, entry.outcome, entry.action) == (200, "200", f"POST {PATH}")
    assert entry.details == {"request_id": answer.headers["x-request-id"], "pictures": 1}


@pytest.mark.parametrize(("end", "status"), [("refused", 400), ("unforeseen late", 500)])
def test_an_answer_that_becomes_another_one_has_a_second_entry(
    client: TestClient, log: AuditLog, end: str, status: int
) -> None:
    answer = client.post(PATH, params={"end": end})
    assert answer.status_code == status
    assert [entry.outcome for entry in entries(log)] == ["200", str(status)]
    assert {entry.details["request_id"] for entry in entries(log)} == {answer.headers["x-request-id"]}


def test_what_nobody_foresaw_is_on_record_too(client: TestClient, log: AuditLog) -> None:
    assert client.post(PATH, params={"end": "unforeseen"}).status_code == 500
    assert [entry.outcome for entry in entries(log)] == ["500"]


def test_where_no_log_is_kept_expecting_does_nothing() -> None:
    app = FastAPI(middleware=[Middleware(Envelope)])

    @app.post(PATH)
    async def make(request: Request) -> None:
        expect(request, 200)

    with TestClient(app) as client:
        assert client.post(PATH).status_code == 200
