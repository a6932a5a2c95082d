"""Every error is one problem document that carries OpenAI's `error` member."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as fuzz
from hypothesis import strategies as st

import imagegen.errors
from imagegen.errors import ImagegenError, Overloaded, QuotaExceeded
from imagegen.http.problems import problem_of
from imagegen.http.schemas.problem import Problem

GENERATIONS = "/v1/images/generations"
ERRORS = [e for e in vars(imagegen.errors).values() if isinstance(e, type) and issubclass(e, ImagegenError)]


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_of_the_tree_has_its_status_and_code(kind: type[ImagegenError]) -> None:
    extra: dict[str, Any] = {"retry_after": 2.5} if kind is Overloaded else {}
    if kind is QuotaExceeded:
        pytest.skip("it has no field: see test_keys.py")
    answer = problem_of(kind("it broke", field="prompt", hint="mend it", **extra), "req_1")
    body = Problem.model_validate_json(bytes(answer.body))
    assert answer.status_code == body.status == kind.http_status
    assert body.code == body.error.code == kind.code
    assert body.error.type == kind.type
    assert body.detail == body.error.message == "prompt: it broke (mend it)"
    assert body.error.param == ("prompt" if kind.http_status < 500 else None)
    assert body.title
    assert body.request_id == "req_1"
    if kind is Overloaded:
        assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("3", "2500")


def refused(answer: httpx.Response, status: int) -> Problem:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = Problem.model_validate_json(answer.content)
    assert body.status == status
    assert body.request_id == answer.headers["x-request-id"]
    assert body.error.message == body.detail
    return body


def test_unknown_routes_and_methods(http: httpx.Client) -> None:
    assert refused(http.get("/v1/pictures"), 404).code == "not_found"
    answer = http.get(GENERATIONS)
    assert refused(answer, 405).code == "method_not_allowed"
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("content", "type", "says"),
    [
        (b"{", "application/json", "not valid JSON"),
        (b"[]", "application/json", "must be a JSON object"),
        (b'{"prompt": "sock"}', "text/plain", "Content-Type: application/json"),
        (b'{"prompt": "sock"}', "", "Content-Type: application/json"),
        (b"", "application/json", "JSON object"),
        (b"{}", "application/json", "prompt: is required"),
        (b'{"prompt": "\\ud800"}', "application/json", "prompt"),
        (b'{"prompt": 5}', "application/json", "prompt"),
        (b'{"prompt": "sock", "n": NaN}', "application/json", "n:"),
        (b"[" * 100_000, "application/json", ""),
        (b'{"prompt": "sock", "n": ' + b"9" * 5000 + b"}", "application/json", ""),
        (b'{"prompt": "\xff"}', "application/json", ""),
    ],
)
def test_bodies_that_are_no_request(http: httpx.Client, content: bytes, type: str, says: str) -> None:
    answer = http.post(GENERATIONS, content=content, headers={"Content-Type": type} if type else {})
    assert says in refused(answer, 400).detail


def test_several_faults_are_all_named(http: httpx.Client) -> None:
    answer = http.post(GENERATIONS, json={"n": 0, "colour": "red"})
    assert {fault.param for fault in refused(answer, 400).errors} == {"prompt", "n", "colour"}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["prompt", "n", "size", "recipe", "seed", "steps", "quality", "model", "user", "x"])


@fuzz(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(fields | st.text(max_size=5), anything, max_size=5))
def test_no_body_is_worth_more_than_a_400(http: httpx.Client, body: dict[str, Any]) -> None:
    """`partial_images` makes each of them refusable, so nothing is generated however valid the rest is."""
    answer = http.post(
        GENERATIONS,
        content=json.dumps({**body, "partial_images": 1}).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert refused(answer, 400).detail


@fuzz(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_no_bytes_are_worth_more_than_a_400(http: httpx.Client, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    refused(http.post(GENERATIONS, content=body, headers=headers), 400)
