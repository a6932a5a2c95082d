"""No body above the limit is read to its end."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from imagegen.http.body_limit import MAX_JSON_BYTES

GENERATIONS = "/v1/images/generations"


def test_an_announced_large_body_is_refused_before_it_is_sent(http: httpx.Client) -> None:
    answer = http.post(GENERATIONS, content=b"x" * (MAX_JSON_BYTES + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert "x-request-id" in answer.headers


def test_a_large_body_that_does_not_say_so_is_refused_where_it_passes_the_limit(http: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(17):
            yield b" " * 65536

    answer = http.post(GENERATIONS, content=chunks(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_the_longest_prompt_fits(http: httpx.Client) -> None:
    prompt = "\\ud83d\\udc5c" * 32_000  # a handbag, as two escapes
    body = f'{{"prompt": "{prompt}", "partial_images": 1}}'.encode()
    answer = http.post(GENERATIONS, content=body, headers={"Content-Type": "application/json"})
    assert answer.json()["error"]["param"] == "partial_images"
