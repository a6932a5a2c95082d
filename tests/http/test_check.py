"""POST /v1/check: a picture file against a marketplace's limits."""

from __future__ import annotations

import io
import json
from http.client import HTTPConnection

import httpx
import pytest
from PIL import Image


def jpeg(background: str = "white") -> bytes:
    picture = Image.new("RGB", (700, 700), background)
    picture.paste((40, 60, 160), (70, 100, 630, 600))
    buffer = io.BytesIO()
    picture.save(buffer, "jpeg", quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize(("background", "verdict"), [("white", "pass"), ("grey", "fail")])
def test_the_body_is_the_file(http: httpx.Client, background: str, verdict: str) -> None:
    answer = http.post("/v1/check", params={"preset": "tiktok"}, content=jpeg(background))
    assert answer.status_code == 200, answer.text
    result = answer.json()
    assert (result["verdict"], result["file"]["format"]) == (verdict, "jpeg")
    (finding,) = [each for each in result["findings"] if each["measure"] == "background"]
    assert finding["status"] == verdict
    assert finding["equals"] == "#ffffff"
    assert finding["sources"]


def test_the_files_name_counts_where_a_marketplace_reads_it(http: httpx.Client) -> None:
    for name, status in (("a-bag.jpg", "pass"), ("a bag.jpg", "fail")):
        answer = http.post("/v1/check", params={"preset": "vtex", "file_name": name}, content=jpeg())
        (finding,) = [each for each in answer.json()["findings"] if each["measure"] == "file_name"]
        assert finding["status"] == status


@pytest.mark.parametrize(
    ("params", "content", "code", "param"),
    [
        ({"preset": "amazn"}, jpeg(), "invalid_request", "preset"),
        ({}, jpeg(), "invalid_request", "preset"),
        ({"preset": "amazon"}, b"", "input_file_invalid", "body"),
        ({"preset": "amazon"}, jpeg()[:300], "input_file_invalid", "body"),
    ],
)
def test_what_cannot_be_checked_is_refused_by_name(
    http: httpx.Client, params: dict[str, str], content: bytes, code: str, param: str
) -> None:
    answer = http.post("/v1/check", params=params, content=content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert answer.json()["error"]["param"] == param


def test_pictures_may_be_larger_than_other_bodies(http: httpx.Client) -> None:
    padded = jpeg() + bytes(4 << 20)
    answer = http.post("/v1/check", params={"preset": "shopee"}, content=padded)
    (finding,) = [each for each in answer.json()["findings"] if each["measure"] == "bytes"]
    assert (finding["status"], finding["value"]) == ("fail", len(padded))


def test_a_body_above_the_limit_is_refused_before_it_is_sent(server: str) -> None:
    connection = HTTPConnection(server.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", "/v1/check?preset=shopee")
    connection.putheader("Content-Length", str((32 << 20) + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, json.load(answer)["code"]) == (413, "body_too_large")
    connection.close()
