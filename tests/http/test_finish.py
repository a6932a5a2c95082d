"""POST /v1/finish and /v1/inspect: the command line's twins."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image

from imagegen_postprocess import recipe_names


def photo() -> bytes:
    picture = Image.new("RGB", (120, 90), (236, 236, 232))
    picture.paste((40, 60, 160), (40, 25, 80, 65))
    buffer = io.BytesIO()
    picture.save(buffer, "jpeg", quality=95)
    return buffer.getvalue()


def finish(http: httpx.Client, accept: str = "*/*", **fields: str) -> httpx.Response:
    sent = {"image": ("blue box.jpg", photo(), "image/jpeg")}
    return http.post("/v1/finish", data=fields, files=sent, headers={"Accept": accept})


def opened(answer: dict[str, Any]) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(answer["b64_json"])))


def test_a_photo_comes_back_finished_with_its_report(http: httpx.Client) -> None:
    answer = finish(http, size="160x128", background="#00ff00")
    assert answer.status_code == 200, answer.text
    result = answer.json()
    with opened(result) as picture:
        assert (picture.format, picture.size) == ("PNG", (160, 128))
        assert picture.convert("RGB").getpixel((0, 0)) == (0, 255, 0)
    assert (result["file_name"], result["size"]) == ("blue-box.png", "160x128")
    assert result["provenance"]["digital_source_type"] == "algorithmicallyEnhanced"
    assert result["check"] is None
    again = finish(http, recipe=json.dumps(result["recipe"]))
    assert again.json()["b64_json"] == result["b64_json"]


def test_a_preset_decides_and_is_checked(http: httpx.Client) -> None:
    result = finish(http, preset="vtex", recipe="faithful").json()
    assert (result["file_name"], result["output_format"]) == ("blue-box.jpg", "jpeg")
    assert (result["check"]["verdict"], result["check"]["preset"]) == ("pass", "vtex")
    assert [step["name"] for step in result["report"]["steps"]] == ["intake", "cutout", "canvas"]


def test_who_accepts_pictures_gets_the_file_itself(http: httpx.Client) -> None:
    answer = finish(http, "image/*", preset="vtex")
    assert (answer.headers["content-type"], answer.headers["x-imagegen-verdict"]) == ("image/jpeg", "pass")
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (1000, 1000))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"preset": "amazn"}, "preset"),
        ({"recipe": "polish"}, "recipe"),
        ({"recipe": "../../etc/passwd"}, "recipe"),
        ({"recipe": "recipe: 1\nsteps: [{canvas: {fil: 1}}]"}, "steps[0].canvas.fil"),
        ({"background": "mauve"}, "background"),
        ({"size": "5x5"}, "size"),
        ({"size": "wide"}, "size"),
        ({"preset": "zalando", "background": "transparent"}, "background"),
        ({"preset": "walmart", "output_format": "webp"}, "output_format"),
        ({"background": "transparent", "output_format": "jpeg"}, "output_format"),
        ({"colour": "red"}, "colour"),
        ({"output_format": "gif"}, "output_format"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    http: httpx.Client, fields: dict[str, str], param: str
) -> None:
    answer = finish(http, **fields)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize("content", [b"", b"no picture", photo()[:300]])
def test_what_is_no_picture_is_refused(http: httpx.Client, content: bytes) -> None:
    answer = http.post("/v1/finish", files={"image": ("a.jpg", content, "image/jpeg")})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "input_file_invalid")
    assert answer.json()["error"]["param"] == "image"
    assert "a.jpg" in answer.json()["error"]["message"]


def test_a_form_without_a_photo_is_refused(http: httpx.Client) -> None:
    answer = http.post("/v1/finish", data={"preset": "vtex"}, files={})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "image")


def test_inspecting_tells_what_a_file_says(http: httpx.Client) -> None:
    made = base64.b64decode(finish(http, size="300x300").json()["b64_json"])
    answer = http.post("/v1/inspect", params={"file_name": "bag.png"}, content=made)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["name"], told["format"], told["source_type"]) == (
        "bag.png",
        "png",
        "algorithmicallyEnhanced",
    )
    assert told["credentials"] is None
    assert told["watermark"]["found"] is False
    refused = http.post("/v1/inspect", content=b"junk")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "body")


def test_the_recipes_are_listed_and_each_can_be_sent_again(http: httpx.Client) -> None:
    listed = http.get("/v1/recipes").json()["data"]
    assert [recipe["id"] for recipe in listed] == list(recipe_names())
    (faithful,) = [recipe for recipe in listed if recipe["id"] == "faithful"]
    document = {key: faithful[key] for key in ("recipe", "title", "metadata", "steps")}
    named, sent = finish(http, recipe="faithful"), finish(http, recipe=json.dumps(document))
    assert named.json()["b64_json"] == sent.json()["b64_json"]
