"""Presets over HTTP: the list, and a picture finished for a marketplace."""

from __future__ import annotations

import base64
import io
from typing import Any

import httpx
import pytest
from PIL import Image

from imagegen_postprocess import load_preset, preset_names


def test_the_list_has_every_preset_as_its_file_has_it(http: httpx.Client) -> None:
    listed = http.get("/v1/presets").json()["data"]
    assert [entry["id"] for entry in listed] == list(preset_names())
    ebay = load_preset("ebay").to_dict()
    (entry,) = [entry for entry in listed if entry["id"] == "ebay"]
    assert entry["limits"] == ebay["limits"]


def test_a_preset_decides_size_and_format(http: httpx.Client) -> None:
    body = {"prompt": "bag", "recipe": {"preset": "zalando"}}  # no size that the model would make itself
    answer = http.post("/v1/images/generations", json=body).json()
    assert (answer["size"], answer["output_format"]) == ("1801x2600", "jpeg")
    with Image.open(io.BytesIO(base64.b64decode(answer["data"][0]["b64_json"]))) as picture:
        assert (picture.format, picture.size) == ("JPEG", (1801, 2600))
    assert answer["data"][0]["imagegen"]["recipe"]["preset"] == "zalando"


def test_what_is_asked_goes_before_the_preset(http: httpx.Client) -> None:
    body = {"prompt": "bag", "size": "120x120", "output_format": "webp", "recipe": {"preset": "vtex"}}
    answer = http.post("/v1/images/generations", json=body).json()
    assert (answer["size"], answer["output_format"]) == ("120x120", "webp")


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"recipe": {"preset": "amazn"}}, "recipe.preset"),
        ({"recipe": {"preset": "amazon"}, "output_format": "webp"}, "output_format"),
        ({"recipe": {"preset": "zalando"}, "background": "transparent"}, "background"),
    ],
)
def test_what_the_marketplace_does_not_take_is_refused(
    http: httpx.Client, changes: dict[str, Any], param: str
) -> None:
    answer = http.post("/v1/images/generations", json={"prompt": "bag", **changes})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
