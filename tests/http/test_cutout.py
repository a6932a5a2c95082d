"""POST /v1/cutout: a photo in, a transparent PNG out."""

from __future__ import annotations

import base64
import io

import httpx
import pytest
from PIL import Image


def jpeg(colour: str = "navy") -> bytes:
    picture = Image.new("RGB", (160, 120), (238, 238, 238))
    picture.paste(colour, (50, 30, 110, 90))
    buffer = io.BytesIO()
    picture.save(buffer, "jpeg", quality=95)
    return buffer.getvalue()


def test_a_form_or_the_body_is_the_file(http: httpx.Client) -> None:
    bodies: list[httpx.Response] = [
        http.post("/v1/cutout", files={"file": ("bag.jpg", jpeg(), "image/jpeg")}),
        http.post("/v1/cutout", content=jpeg(), headers={"Content-Type": "image/jpeg"}),
    ]
    for answer in bodies:
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["x-cutout-method"] == "plain"
        assert answer.headers["x-cutout-review"] == "false"
        assert 0 <= float(answer.headers["x-cutout-confidence"]) <= 1
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert (picture.mode, picture.size) == ("RGBA", (160, 120))


def test_json_on_request(http: httpx.Client) -> None:
    answer = http.post("/v1/cutout", content=jpeg(), headers={"Accept": "application/json"})
    result = answer.json()
    assert (result["method"], result["review"]) == ("plain", False)
    assert base64.b64decode(result["b64_json"]).startswith(b"\x89PNG")
    assert [step["name"] for step in result["report"]["steps"]] == ["intake", "cutout"]


@pytest.mark.parametrize(
    ("query", "content", "status", "code", "param"),
    [
        ({}, b"", 400, "input_file_invalid", "file"),
        ({}, jpeg()[:300], 400, "input_file_invalid", "file"),
        ({}, jpeg("#eeeeee"), 400, "input_file_invalid", "file"),
        ({"model": "bria-rmbg"}, jpeg(), 400, "invalid_request", "model"),
    ],
)
def test_what_cannot_be_cut_out_is_refused_by_name(
    http: httpx.Client, query: dict[str, str], content: bytes, status: int, code: str, param: str
) -> None:
    answer = http.post("/v1/cutout", params=query, content=content)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)


def test_a_form_without_the_file_says_so(http: httpx.Client) -> None:
    answer = http.post("/v1/cutout", files={"image": ("bag.jpg", jpeg(), "image/jpeg")})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "file")
