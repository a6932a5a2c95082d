"""The real openai client asks for pictures."""

from __future__ import annotations

import base64
import io
import threading
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from openai.types import ImagesResponse
from PIL import Image

from imagegen import ImageRequest, Settings, Studio
from imagegen.settings import load_settings
from tests.http.live_server import serving

PROMPT = "red leather handbag"
BARRED = "1001x70"  # the model makes no such shape, so its picture leaves bars of background above and below


def opened(response: ImagesResponse, index: int = 0) -> Image.Image:
    assert response.data is not None
    picture = Image.open(io.BytesIO(base64.b64decode(response.data[index].b64_json or "")))
    picture.load()
    return picture


def details(response: ImagesResponse, index: int = 0) -> dict[str, Any]:
    assert response.data is not None
    extra = response.data[index].model_extra or {}
    found: dict[str, Any] = extra["imagegen"]
    return found


def test_a_prompt_comes_back_as_a_picture(client: openai.OpenAI) -> None:
    response = client.images.generate(prompt=PROMPT)
    picture = opened(response)
    assert picture.format == "PNG"
    assert response.size == f"{picture.width}x{picture.height}"
    assert (response.background, response.output_format, response.quality) == ("opaque", "png", "medium")
    assert (response.model_extra or {})["imagegen"] == {"model": "tiny", "ignored": []}


def test_usage_counts_the_positions_the_transformer_sees(client: openai.OpenAI) -> None:
    response = client.images.generate(prompt=PROMPT, n=2, size="64x64")
    width, height = map(int, details(response)["generated_size"].split("x"))
    model = client.models.retrieve("tiny").model_extra or {}
    patches = (width // model["imagegen"]["multiple"]) * (height // model["imagegen"]["multiple"])
    assert response.usage is not None
    assert response.usage.output_tokens == 2 * patches > 0
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


def test_every_picture_tells_how_it_came_to_be(client: openai.OpenAI) -> None:
    made = details(client.images.generate(prompt=PROMPT, extra_body={"seed": 7, "steps": 2}))
    assert (made["seed"], made["steps"]) == (7, 2)
    assert made["seconds"] > 0
    assert {"queue", "denoise", "decode", "finish"} <= made["timings"].keys()
    assert made["recipe"]["cutout"] == "auto"
    assert made["report"]["steps"]


def test_n_pictures_have_consecutive_seeds_and_each_is_the_one_its_seed_gives(client: openai.OpenAI) -> None:
    plain = {"seed": 41, "recipe": False}
    pair = client.images.generate(prompt=PROMPT, n=2, extra_body=plain)
    alone = client.images.generate(prompt=PROMPT, extra_body={**plain, "seed": 42})
    assert [details(pair, i)["seed"] for i in (0, 1)] == [41, 42]
    np.testing.assert_array_equal(np.asarray(opened(pair, 1)), np.asarray(opened(alone)))
    assert not np.array_equal(np.asarray(opened(pair, 0)), np.asarray(opened(pair, 1)))


def test_the_size_is_that_of_the_finished_picture(client: openai.OpenAI) -> None:
    response = client.images.generate(prompt=PROMPT, size="150x100")
    assert opened(response).size == (150, 100)
    assert response.size == "150x100"
    assert any("150x100" in warning for warning in details(response)["warnings"])


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_the_output_format(client: openai.OpenAI, format: Any) -> None:
    response = client.images.generate(prompt=PROMPT, output_format=format)
    picture = opened(response)
    assert picture.format == format.upper()
    assert response.output_format == format
    assert "icc_profile" in picture.info


def test_output_compression_is_the_encoders_quality(client: openai.OpenAI) -> None:
    def size(compression: int) -> int:
        response = client.images.generate(
            prompt=PROMPT,
            output_format="jpeg",
            output_compression=compression,
            extra_body={"seed": 1, "recipe": False},
        )
        assert response.data is not None
        return len(response.data[0].b64_json or "")

    assert size(0) < size(60) < size(100)


@pytest.mark.parametrize("format", ["png", "webp"])
def test_a_transparent_background_has_alpha(client: openai.OpenAI, format: Any) -> None:
    response = client.images.generate(
        prompt=PROMPT, background="transparent", output_format=format, size=BARRED
    )
    picture = opened(response)
    assert response.background == "transparent"
    assert picture.mode == "RGBA"
    assert picture.getchannel("A").getpixel((0, 0)) == 0


def test_recipe_false_leaves_the_models_pixels_as_they_are(client: openai.OpenAI) -> None:
    response = client.images.generate(prompt=PROMPT, extra_body={"recipe": False})
    made = details(response)
    assert response.size == made["generated_size"]
    assert made["recipe"] is None
    assert made["report"] is None
    assert "finish" not in made["timings"]


def test_a_recipe_of_ones_own(client: openai.OpenAI) -> None:
    recipe = {"background": "#102030", "fill": 0.5}
    response = client.images.generate(prompt=PROMPT, size=BARRED, extra_body={"recipe": recipe})
    assert opened(response).convert("RGB").getpixel((0, 0)) == (16, 32, 48)
    assert details(response)["recipe"]["fill"] == 0.5


@pytest.mark.parametrize(("quality", "share"), [("low", 0.5), ("medium", 1), ("hd", 2), ("max", 4)])
def test_quality_is_a_number_of_steps(client: openai.OpenAI, quality: Any, share: float) -> None:
    own = (client.models.retrieve("tiny").model_extra or {})["imagegen"]["steps"]
    response = client.images.generate(prompt=PROMPT, quality=quality)
    assert details(response)["steps"] == own * share
    assert response.quality == ("high" if quality == "hd" else quality)


def test_url_leads_to_the_picture(client: openai.OpenAI) -> None:
    response = client.images.generate(prompt=PROMPT, response_format="url", output_format="webp", n=2)
    assert response.data is not None
    first, second = (httpx.get(image.url or "") for image in response.data)
    assert first.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(first.content)).format == "WEBP"
    assert first.content != second.content
    assert response.data[0].b64_json is None


def test_what_changes_nothing_is_said_to_be_ignored(client: openai.OpenAI) -> None:
    response = client.images.generate(prompt=PROMPT, style="vivid", user="u-1", moderation="low")
    assert (response.model_extra or {})["imagegen"]["ignored"] == ["moderation", "style", "user"]


def test_null_stands_for_the_default(http: httpx.Client) -> None:
    body = {"prompt": PROMPT, "n": None, "size": None, "seed": None, "recipe": None, "stream": None}
    answer = http.post("/v1/images/generations", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"][0]["imagegen"]["recipe"] is not None


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"prompt": " "}, "prompt"),
    ({"prompt": "x" * 32_001}, "prompt"),
    ({"n": 0}, "n"),
    ({"n": 11}, "n"),
    ({"size": "17x16"}, "size"),
    ({"size": "0x0"}, "size"),
    ({"size": "1000000x16"}, "size"),
    ({"size": "big"}, "size"),
    ({"size": "65x65", "extra_body": {"recipe": False}}, "size"),
    ({"size": "96x96", "extra_body": {"recipe": {"width": 128, "height": 128}}}, "size"),
    ({"quality": "superb"}, "quality"),
    ({"quality": "high", "extra_body": {"steps": 3}}, "steps"),
    ({"background": "pink"}, "background"),
    ({"background": "transparent", "output_format": "jpeg"}, "output_format"),
    ({"background": "transparent", "extra_body": {"recipe": False}}, "background"),
    ({"background": "transparent", "extra_body": {"recipe": {"background": "white"}}}, "background"),
    ({"background": "opaque", "extra_body": {"recipe": {"background": "transparent"}}}, "background"),
    ({"output_format": "gif"}, "output_format"),
    ({"output_format": "png", "output_compression": 50}, "output_compression"),
    ({"output_format": "jpeg", "output_compression": 101}, "output_compression"),
    ({"stream": True, "response_format": "url"}, "response_format"),
    ({"partial_images": 2}, "partial_images"),
    ({"response_format": "file"}, "response_format"),
    ({"extra_body": {"seed": -1}}, "seed"),
    ({"extra_body": {"seed": "7"}}, "seed"),
    ({"extra_body": {"steps": 0}}, "steps"),
    ({"extra_body": {"steps": 101}}, "steps"),
    ({"extra_body": {"recipe": True}}, "recipe"),
    ({"extra_body": {"recipe": {"fill": 7}}}, "recipe.fill"),
    ({"extra_body": {"recipe": {"filll": 0.5}}}, "recipe.filll"),
    ({"extra_body": {"cfg_scale": 7}}, "cfg_scale"),
]


@pytest.mark.parametrize(("changes", "param"), REFUSED, ids=[f"{p}-{i}" for i, (_, p) in enumerate(REFUSED)])
def test_what_cannot_be_honoured_is_refused_by_name(
    client: openai.OpenAI, studio: Studio, changes: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.images.generate(**{"prompt": PROMPT, **changes})
    assert refusal.value.param == param
    assert refusal.value.code == "invalid_request"
    assert refusal.value.type == "invalid_request_error"
    assert param in refusal.value.message
    assert studio.waiting == 0


def test_an_unknown_model_is_not_found_and_a_path_is_no_model(
    client: openai.OpenAI, settings: Settings
) -> None:
    for name in ("gpt-image-2", settings.model, "../tiny"):
        with pytest.raises(openai.NotFoundError) as refusal:
            client.images.generate(prompt=PROMPT, model=name)
        assert (refusal.value.param, refusal.value.code) == ("model", "model_not_found")
        assert "tiny" in refusal.value.message


def test_a_full_queue_is_a_rate_limit_with_a_time_to_come_back(settings: Settings) -> None:
    narrow = load_settings(**{**settings.model_dump(), "queue_size": 1})
    request = ImageRequest("belt", model=settings.model, seed=1)
    running, go_on = threading.Event(), threading.Event()

    def hold(done: int, total: int) -> None:
        running.set()
        go_on.wait(60)

    with Studio(narrow) as studio, serving(studio, narrow) as url:
        held = studio.submit(request, on_step=hold)
        assert running.wait(60)
        queued = studio.submit(request)
        with (
            openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client,
            pytest.raises(openai.RateLimitError) as refusal,
        ):
            client.images.generate(prompt=PROMPT)
        go_on.set()
        assert held.result(60).picture.size == queued.result(60).picture.size
    headers = refusal.value.response.headers
    assert refusal.value.code == "overloaded"
    assert int(headers["retry-after"]) >= 1
    assert float(headers["retry-after-ms"]) <= 1000 * int(headers["retry-after"])


def test_the_client_comes_back_when_it_was_told_to(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = load_settings(**{**settings.model_dump(), "queue_size": 1})
    request = ImageRequest("belt", model=settings.model, seed=1)
    running, go_on = threading.Event(), threading.Event()
    pauses: list[float] = []

    def hold(done: int, total: int) -> None:
        running.set()
        go_on.wait(60)

    with (
        Studio(narrow) as studio,
        serving(studio, narrow) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=2) as client,
    ):
        held = studio.submit(request, on_step=hold)
        assert running.wait(60)
        queued = studio.submit(request)
        its_own = client._calculate_retry_timeout

        def pause(*given: Any) -> float:
            """The client's own answer; the wait itself is replaced by what it is for."""
            pauses.append(its_own(*given))
            go_on.set()
            held.result(60)
            queued.result(60)
            return 0.0

        monkeypatch.setattr(client, "_calculate_retry_timeout", pause)
        assert client.images.generate(prompt=PROMPT).data
    assert len(pauses) == 1
    assert pauses[0] >= 1  # its own first pause, were it told nothing, would be half a second


def test_all_of_n_are_queued_or_none(settings: Settings) -> None:
    narrow = load_settings(**{**settings.model_dump(), "queue_size": 2})
    request = ImageRequest("belt", model=settings.model, seed=1)
    running, go_on = threading.Event(), threading.Event()

    def hold(done: int, total: int) -> None:
        running.set()
        go_on.wait(60)

    with Studio(narrow) as studio, serving(studio, narrow) as url:
        held = studio.submit(request, on_step=hold)
        assert running.wait(60)
        body = {"prompt": PROMPT, "n": 2}
        queued = studio.submit(request)
        assert httpx.post(f"{url}/v1/images/generations", json=body).status_code == 429
        studio.submit(request)  # the place that the refused request had taken is free again
        go_on.set()
        held.result(60)
        queued.result(60)
        assert (
            httpx.post(f"{url}/v1/images/generations", json={**body, "n": 3}).json()["error"]["param"] == "n"
        )
