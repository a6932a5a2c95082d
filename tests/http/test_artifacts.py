"""Fetching what response_format=url pointed to."""

from __future__ import annotations

import httpx
import openai
import pytest


@pytest.fixture
def url(client: openai.OpenAI) -> str:
    response = client.images.generate(prompt="navy scarf", response_format="url")
    assert response.data is not None
    assert response.data[0].url is not None
    return response.data[0].url


def test_an_artifact_has_an_etag_and_is_not_sent_twice(url: str) -> None:
    first = httpx.get(url)
    assert first.headers["etag"] == f'"{url.rpartition("/")[2]}"'
    assert "immutable" in first.headers["cache-control"]
    again = httpx.get(url, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")


def test_parts_and_the_head_alone(url: str) -> None:
    whole = httpx.get(url).content
    part = httpx.get(url, headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content) == (206, whole[1:4])
    head = httpx.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(whole)


@pytest.mark.parametrize("id", ["0" * 32 + ".png", "..%2f..%2fetc%2fpasswd", "%00", "a" * 5000, "x.png"])
def test_what_was_never_made_is_not_found(http: httpx.Client, id: str) -> None:
    answer = http.get(f"/v1/artifacts/{id}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
