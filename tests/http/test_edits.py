"""The real openai client edits photos."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from PIL import Image

from imagegen import ImageRequest, Settings, Studio
from imagegen.photo import Photo
from imagegen.settings import load_settings
from tests.http.live_server import serving
from tests.http.test_images import details, opened

PROMPT = "the same bag in red"
PLAIN = {"seed": 5, "recipe": "false"}


def photo(seed: int = 1, width: int = 64, height: int = 64, format: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format)
    return stream.getvalue()


@pytest.fixture(scope="module")
def blind(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    """A server whose own model, the starter, was never taught to look at photos."""
    own = load_settings(data_dir=tmp_path_factory.mktemp("starter"), device="cpu")
    with (
        Studio(own) as studio,
        serving(studio, own) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client,
    ):
        yield client


def test_a_photo_is_looked_at(client: openai.OpenAI, studio: Studio, settings: Settings) -> None:
    response = client.images.edit(image=photo(), prompt=PROMPT, size="64x64", extra_body=PLAIN)
    request = ImageRequest(
        PROMPT, settings.model, 64, 64, seed=5, recipe=None, references=(Photo.of(photo()),)
    )
    assert np.array_equal(np.asarray(opened(response)), np.asarray(studio.make(request).picture))
    other = client.images.edit(image=photo(2), prompt=PROMPT, size="64x64", extra_body=PLAIN)
    assert not np.array_equal(np.asarray(opened(response)), np.asarray(opened(other)))
    assert response.usage is not None
    assert response.usage.input_tokens_details.image_tokens == 64


def test_several_photos_n_pictures_and_a_file_on_the_server(client: openai.OpenAI) -> None:
    photos = [("front.png", photo(1)), ("side.jpg", photo(2, 80, 70, "JPEG"))]
    response = client.images.edit(
        image=photos, prompt=PROMPT, n=2, size="64x64", response_format="url", output_format="webp"
    )
    assert response.data is not None
    assert len(response.data) == 2
    answer = httpx.get(response.data[0].url or "")
    assert answer.headers["content-type"] == "image/webp"
    assert response.usage is not None
    assert response.usage.input_tokens_details.image_tokens == 2 * (64 + 80)


def test_with_a_strength_the_picture_starts_from_the_photo(
    client: openai.OpenAI, studio: Studio, settings: Settings
) -> None:
    body = {**PLAIN, "strength": 0.25, "fit": "crop"}
    response = client.images.edit(image=photo(3, 90, 70), prompt=PROMPT, size="64x64", extra_body=body)
    start = Photo.of(photo(3, 90, 70))
    request = ImageRequest(
        PROMPT, settings.model, 64, 64, seed=5, recipe=None, image=start, strength=0.25, fit="crop"
    )
    assert np.array_equal(np.asarray(opened(response)), np.asarray(studio.make(request).picture))
    assert any("cropped" in warning for warning in details(response)["warnings"])


def test_a_form_may_hold_a_recipe(client: openai.OpenAI) -> None:
    body = {"recipe": {"background": "#102030", "fill": 0.5}}
    response = client.images.edit(image=photo(), prompt=PROMPT, size="1001x70", extra_body=body)
    assert opened(response).convert("RGB").getpixel((0, 0)) == (16, 32, 48)
    assert details(response)["recipe"]["fill"] == 0.5


def test_it_streams(client: openai.OpenAI) -> None:
    stream = client.images.edit(
        image=photo(), prompt=PROMPT, size="64x64", stream=True, partial_images=2, extra_body={"seed": 1}
    )
    events = list(stream)
    assert [event.type for event in events] == [
        "image_edit.partial_image",
        "image_edit.partial_image",
        "image_edit.completed",
    ]
    assert all(Image.open(io.BytesIO(base64.b64decode(event.b64_json))).size for event in events)


def test_without_a_size_the_picture_has_the_photos_shape(client: openai.OpenAI) -> None:
    response = client.images.edit(image=photo(1, 128, 64), prompt=PROMPT, extra_body=PLAIN)
    picture = opened(response)
    assert picture.width == pytest.approx(2 * picture.height, rel=0.1)


def test_json_may_carry_the_photo_but_no_address(http: httpx.Client) -> None:
    url = "data:image/png;base64," + base64.b64encode(photo()).decode()
    body = {"prompt": PROMPT, "images": [{"image_url": url}], "size": "64x64", "steps": 1}
    assert http.post("/v1/images/edits", json=body).status_code == 200
    for address in ("https://example.com/a.png", "http://169.254.169.254/", "file:///etc/passwd"):
        answer = http.post("/v1/images/edits", json={**body, "images": [{"image_url": address}]})
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "images[0].image_url"
        assert "nothing is fetched" in answer.json()["detail"]


def test_the_starter_says_that_it_cannot_look_and_starts_from_the_photo(blind: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="never taught") as refusal:
        blind.images.edit(image=photo(), prompt=PROMPT)
    assert refusal.value.param == "model"
    response = blind.images.edit(image=photo(), prompt=PROMPT, extra_body={**PLAIN, "strength": 0.5})
    assert opened(response).size == (256, 256)


def bomb() -> bytes:
    import zlib

    data = bytearray(photo())
    data[16:24] = (50_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"mask": photo()}, "mask"),
    ({"extra_body": {"mask": "x"}}, "mask"),
    ({"markup": photo()}, "markup"),
    ({"input_fidelity": "high"}, "input_fidelity"),
    ({"image": b"no picture"}, "image"),
    ({"image": b""}, "image"),
    ({"image": bomb()}, "image"),
    ({"image": photo(1, 32, 64)}, "image"),
    ({"image": [photo(), b"no picture"]}, "image[1]"),
    ({"image": [photo(i) for i in range(5)]}, "image"),
    ({"image": []}, "image"),
    ({"prompt": " "}, "prompt"),
    ({"n": 0}, "n"),
    ({"n": 1.5}, "n"),
    ({"size": "big"}, "size"),
    ({"output_format": "gif"}, "output_format"),
    ({"extra_body": {"strength": 2}}, "strength"),
    ({"extra_body": {"fit": "crop"}}, "fit"),
    ({"extra_body": {"fit": "squeeze", "strength": 1}}, "fit"),
    ({"extra_body": {"recipe": {"fill": 7}}}, "recipe.fill"),
    ({"extra_body": {"recipe": "nonsense"}}, "recipe"),
    ({"extra_body": {"images": "x"}}, "images"),
    ({"extra_body": {"cfg_scale": 7}}, "cfg_scale"),
    ({"frame_count": 3}, "frame_count"),
]


@pytest.mark.parametrize(("changes", "param"), REFUSED, ids=[f"{p}-{i}" for i, (_, p) in enumerate(REFUSED)])
def test_what_cannot_be_honoured_is_refused_by_name(
    client: openai.OpenAI, studio: Studio, changes: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.images.edit(**{"image": photo(), "prompt": PROMPT, **changes})
    assert refusal.value.param == param
    assert studio.waiting == 0


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"[" * 5000, "application/json"),
        (b"\xff", "application/json"),
        (b"x", "text/plain"),
        (b"x", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary=a"),
        (b"--a\r\n\r\nx", "multipart/form-data; boundary=a"),
    ],
)
def test_what_is_no_form_is_a_bad_request(http: httpx.Client, content: bytes, kind: str) -> None:
    answer = http.post("/v1/images/edits", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 400, answer.text
    assert answer.json()["detail"]


def test_variations_need_a_description(http: httpx.Client) -> None:
    answer = http.post("/v1/images/variations", files={"image": photo()})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "prompt")
    assert "strength" in answer.json()["detail"]
