"""A thousand requests that are wrong in one known way: each answer names the fault, nothing crashes."""

from __future__ import annotations

import base64
import io
import json
import random
import re
from typing import Any

import httpx
import pytest
from PIL import Image

from imagegen import Studio


def png() -> str:
    stream = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


PHOTO = png()
ROUTES: dict[str, dict[str, Any]] = {
    "/v1/images/generations": {"prompt": "red bag", "n": 1, "size": "64x64", "seed": 1, "steps": 1},
    "/sdapi/v1/txt2img": {
        "prompt": "red bag",
        "seed": 1,
        "steps": 1,
        "batch_size": 1,
        "width": 64,
        "height": 64,
    },
    "/sdapi/v1/img2img": {
        "prompt": "red bag",
        "init_images": [PHOTO],
        "denoising_strength": 0.5,
        "resize_mode": 1,
        "steps": 1,
        "width": 64,
        "height": 64,
    },
    "/v1/images/edits": {
        "prompt": "red bag",
        "images": [{"image_url": f"data:image/png;base64,{PHOTO}"}],
        "size": "64x64",
        "strength": 0.5,
        "fit": "crop",
    },
    "/sdapi/v1/options": {"sd_model_checkpoint": "tiny"},
}
STRICT = (
    "/v1/images/generations",
    "/v1/images/edits",
    "/sdapi/v1/options",
)  # the WebUI's tools may send fields of their own
WRONG: dict[str, list[Any]] = {
    "prompt": ["", "  ", 5, [], {"a": 1}, True, "x" * 32_001, "\ud800"],
    "n": [0, 11, -1, 1.5, "two", [], 10**30],
    "size": ["17x16", "big", "64", "64x", "-64x64", "99999x99999", 64, [64, 64], "6" * 400 + "x64"],
    "seed": [-2, 2**32, 1.5, "seven", [], 10**40],
    "steps": [0, 101, -4, 2.5, "many", {}],
    "batch_size": [0, 11, -1, 1.5, "two", []],
    "width": [1, 8193, -64, 64.5, "wide"],
    "height": [1, 8193, -64, 64.5, "high"],
    "init_images": [[], [5], ["x"], [""], [PHOTO[:200]], [PHOTO, PHOTO], ["https://a/b.png"], PHOTO, {}],
    "images": [[], [{}], [5], [{"image_url": "https://a/b"}], [{"image_url": PHOTO[:300]}], PHOTO, {}],
    "denoising_strength": [-0.1, 1.1, "much", [], 10**30],
    "strength": [-0.1, 1.1, "much", [], 10**30],
    "resize_mode": [-1, 3, 10**30, "fill", []],
    "fit": ["squeeze", "", 5, []],
    "sd_model_checkpoint": [5, [], {}, "../tiny", "/etc/passwd", "\x00"],
}
SAME = {"images": "image", "width": "size", "height": "size", "sd_model_checkpoint": "model"}


def wrong(draw: random.Random) -> tuple[str, bytes, set[str | None]]:
    """A route, a body, and the fields of which one must be named."""
    path = draw.choice(list(ROUTES))
    body = dict(ROUTES[path])
    kind = draw.choice(["value", "value", "value", "unknown", "cut", "bytes", "shape"])
    if kind == "value":
        field = draw.choice(list(body))
        body[field] = draw.choice(WRONG[field])
        return path, json.dumps(body).encode(), {field, SAME.get(field)}
    if kind == "unknown" and path in STRICT:
        field = "".join(draw.choices("abcdefgh_-é漢", k=9))
        return path, json.dumps({**body, field: draw.choice([1, "x", None, [], {}])}).encode(), {field}
    whole = json.dumps(body).encode()
    if kind == "cut":
        return path, whole[: draw.randrange(1, len(whole))], {None}
    if kind == "bytes":
        place = draw.randrange(len(whole))
        return path, whole[:place] + bytes(draw.choices(range(128, 256), k=3)) + whole[place:], {None}
    return path, draw.choice([b"", b"null", b"[]", b"5", b'"x"', b"[" * 5000, b"{" * 5000]), {None}


@pytest.mark.slow
def test_a_thousand_malformed_requests(http: httpx.Client, studio: Studio) -> None:
    draw = random.Random(20261124)
    for number in range(1000):
        path, content, fields = wrong(draw)
        answer = http.post(path, content=content, headers={"Content-Type": "application/json"})
        told = f"{number}: {path} {content[:200]!r} -> {answer.status_code} {answer.text[:300]}"
        assert answer.status_code in (400, 404), told
        assert answer.headers["content-type"] == "application/problem+json", told
        problem = answer.json()
        assert problem["detail"], told
        assert problem["request_id"] == answer.headers["x-request-id"], told
        if None not in fields or problem["error"]["param"] is not None:
            named = re.split(r"[.\[]", problem["error"]["param"] or "")[0]
            assert named in fields or None in fields, told
    assert studio.waiting == 0
    good = {"prompt": "red bag", "steps": 1}
    assert http.post("/v1/images/generations", json=good).status_code == 200
