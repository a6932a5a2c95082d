"""A real WebUI client library against a live server."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import numpy as np
import pytest
import webuiapi
from PIL import Image

from imagegen import Settings, Studio
from imagegen.photo import Photo
from imagegen.request import Fit, ImageRequest
from imagegen.settings import load_settings
from tests.http.live_server import serving

PROMPT = "red leather handbag"


@pytest.fixture
def api(server: str) -> webuiapi.WebUIApi:
    return webuiapi.WebUIApi(baseurl=f"{server}/sdapi/v1", steps=2)


def test_a_prompt_comes_back_as_a_picture(api: webuiapi.WebUIApi) -> None:
    made = api.txt2img(prompt=PROMPT, seed=7, width=96, height=80)
    assert made.image.size == (96, 80)
    assert made.image.format == "PNG"
    assert (made.info["seed"], made.info["steps"]) == (7, 2)
    assert made.info["sampler_name"] == "Euler"
    assert PROMPT in made.info["infotexts"][0]
    assert made.parameters["prompt"] == PROMPT


def test_what_its_tools_always_send_is_said_to_be_ignored(api: webuiapi.WebUIApi) -> None:
    made = api.txt2img(prompt=PROMPT, width=64, height=64, negative_prompt="blurry")
    ignored = made.info["imagegen"]["ignored"]
    assert {"cfg_scale", "negative_prompt", "sampler_name"} <= set(ignored)
    assert not {"prompt", "seed", "scheduler", "styles", "alwayson_scripts"} & set(ignored)


def test_batches_have_consecutive_seeds_and_equal_the_other_api(
    api: webuiapi.WebUIApi, http: httpx.Client
) -> None:
    made = api.txt2img(prompt=PROMPT, seed=11, batch_size=2, n_iter=2, width=64, height=64)
    assert made.info["all_seeds"] == [11, 12, 13, 14]
    body = {"prompt": PROMPT, "seed": 12, "steps": 2, "size": "64x64", "response_format": "url"}
    other = httpx.get(http.post("/v1/images/generations", json=body).json()["data"][0]["url"])
    import io

    same = Image.open(io.BytesIO(other.content))
    np.testing.assert_array_equal(np.asarray(made.images[1]), np.asarray(same))


def test_a_seed_of_minus_one_is_drawn_and_told(api: webuiapi.WebUIApi) -> None:
    one, other = (api.txt2img(prompt=PROMPT, width=64, height=64).info["seed"] for _ in range(2))
    assert one != other
    assert 0 <= one < 2**32


def test_settings_of_one_request_hold_for_it_alone(api: webuiapi.WebUIApi) -> None:
    settings = {"samples_format": "jpg", "sd_model_checkpoint": "tiny", "CLIP_stop_at_last_layers": 2}
    made = api.txt2img(prompt=PROMPT, width=64, height=64, override_settings=settings, save_images=True)
    assert made.image.format == "JPEG"
    assert "override_settings.CLIP_stop_at_last_layers" in made.info["imagegen"]["ignored"]
    (stored,) = made.info["imagegen"]["artifacts"]
    base = api.baseurl.removesuffix("/sdapi/v1")
    assert httpx.get(f"{base}/v1/artifacts/{stored}").headers["content-type"] == "image/jpeg"
    assert api.txt2img(prompt=PROMPT, width=64, height=64).image.format == "PNG"


def test_models_options_and_what_does_not_exist(api: webuiapi.WebUIApi) -> None:
    assert "tiny" in api.util_get_model_names()
    assert api.util_get_current_model() == "tiny"
    api.util_set_model("tiny")
    assert api.util_get_sampler_names() == ["Euler"]
    assert api.util_get_scheduler_names() == ["flow"]
    for nothing in (api.get_upscalers(), api.get_loras(), api.get_sd_vae(), api.get_prompt_styles()):
        assert nothing == []
    progress = api.get_progress()
    assert (progress["progress"], progress["state"]["job_count"]) == (0, 0)
    api.util_wait_for_ready()


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"prompt": " "}, "prompt"),
    ({"width": 17, "height": 17}, "size"),
    ({"steps": 0}, "steps"),
    ({"seed": -2}, "seed"),
    ({"batch_size": 6, "n_iter": 2}, "batch_size"),
    ({"enable_hr": True}, "enable_hr"),
    ({"tiling": True}, "tiling"),
    ({"styles": ["photo"]}, "styles"),
    ({"script_name": "x/y/z plot"}, "script_name"),
    ({"subseed_strength": 0.5}, "subseed_strength"),
    ({"alwayson_scripts": {"ControlNet": {"args": [{"module": "canny"}]}}}, "alwayson_scripts.ControlNet"),
    ({"override_settings": {"sd_model_checkpoint": "../tiny"}}, "model"),
    ({"override_settings": {"samples_format": "bmp"}}, "override_settings.samples_format"),
]


@pytest.mark.parametrize(("changes", "param"), REFUSED, ids=[f"{p}-{i}" for i, (_, p) in enumerate(REFUSED)])
def test_what_would_change_the_picture_and_cannot_be_done_is_refused_by_name(
    api: webuiapi.WebUIApi, changes: dict[str, Any], param: str
) -> None:
    with pytest.raises(RuntimeError) as refusal:
        api.txt2img(**{"prompt": PROMPT, "width": 64, "height": 64, **changes})
    status, text = refusal.value.args
    assert status in (400, 404)
    assert json.loads(text)["error"]["param"] == param


def test_scripts_that_are_off_are_no_reason_to_refuse(http: httpx.Client) -> None:
    off = {"ADetailer": {"args": [False]}, "ControlNet": {"args": []}}
    body = {"prompt": PROMPT, "width": 64, "height": 64, "alwayson_scripts": off, "send_images": False}
    answer = http.post("/sdapi/v1/txt2img", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["images"] == []


def noisy(width: int = 80, height: int = 64) -> Image.Image:
    return Image.effect_noise((width, height), 90).convert("RGB")


def test_a_picture_to_start_from(api: webuiapi.WebUIApi, studio: Studio, settings: Settings) -> None:
    start, options = noisy(), {"prompt": PROMPT, "seed": 7, "width": 64, "height": 64}
    made = [
        api.img2img(images=[start], denoising_strength=strength, **options) for strength in (0.1, 0.1, 0.9)
    ]
    assert made[0].image.size == (64, 64)
    assert made[0].info["denoising_strength"] == 0.1
    assert "init_images" not in made[0].parameters
    assert not {"denoising_strength", "init_images", "resize_mode"} & set(made[0].info["imagegen"]["ignored"])
    assert "inpaint_full_res" in made[0].info["imagegen"]["ignored"]
    first, again, freer = (np.asarray(each.image) for each in made)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, freer)


@pytest.mark.parametrize(("mode", "fit"), list(enumerate(["stretch", "crop", "pad"])))
def test_resize_modes(http: httpx.Client, studio: Studio, settings: Settings, mode: int, fit: Fit) -> None:
    import base64
    import io

    stream = io.BytesIO()
    noisy(120, 64).save(stream, "PNG")
    body = {
        "prompt": PROMPT,
        "init_images": [base64.b64encode(stream.getvalue()).decode()],
        "resize_mode": mode,
        "denoising_strength": 0.2,
        "seed": 1,
        "steps": 2,
        "width": 64,
        "height": 64,
        "recipe": False,
        "include_init_images": True,
    }
    answer = http.post("/sdapi/v1/img2img", json=body).json()
    made = Image.open(io.BytesIO(base64.b64decode(answer["images"][0])))
    request = ImageRequest(
        PROMPT,
        settings.model,
        64,
        64,
        steps=2,
        seed=1,
        recipe=None,
        image=Photo.of(stream.getvalue()),
        strength=0.2,
        fit=fit,
    )
    np.testing.assert_array_equal(np.asarray(made), np.asarray(studio.make(request).picture))
    assert answer["parameters"]["init_images"] == body["init_images"]


IMG2IMG_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"images": []}, "init_images"),
    ({"images": [noisy(), noisy()]}, "init_images"),
    ({"images": [noisy(40, 40)]}, "init_images"),
    ({"mask_image": noisy()}, "mask"),
    ({"resize_mode": 3}, "resize_mode"),
    ({"denoising_strength": 1.5}, "denoising_strength"),
    ({"tiling": True}, "tiling"),
]


@pytest.mark.parametrize(
    ("changes", "param"), IMG2IMG_REFUSED, ids=[f"{p}-{i}" for i, (_, p) in enumerate(IMG2IMG_REFUSED)]
)
def test_what_a_picture_to_start_from_cannot_have_is_refused_by_name(
    api: webuiapi.WebUIApi, changes: dict[str, Any], param: str
) -> None:
    with pytest.raises(RuntimeError) as refusal:
        api.img2img(**{"images": [noisy()], "prompt": PROMPT, "width": 64, "height": 64, **changes})
    status, text = refusal.value.args
    assert (status, json.loads(text)["error"]["param"]) == (400, param)


@pytest.mark.parametrize("text", ["https://example.com/a.png", "no base64!", "", "aGVsbG8="])
def test_what_is_no_picture_is_refused(http: httpx.Client, text: str) -> None:
    answer = http.post("/sdapi/v1/img2img", json={"prompt": PROMPT, "init_images": [text]})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "init_images")


def test_progress_is_seen_from_another_connection_and_interrupt_ends_it(settings: Settings) -> None:
    reached, go_on = threading.Event(), threading.Event()

    class HeldStudio(Studio):
        def submit(self, request: ImageRequest | str, **options: Any) -> Any:
            told = options.pop("on_step")

            def hold(done: int, total: int) -> None:
                told(done, total)
                reached.set()
                go_on.wait(60)

            return super().submit(request, on_step=hold, **options)

    with HeldStudio(settings) as studio, serving(studio, settings) as url:
        api = webuiapi.WebUIApi(baseurl=f"{url}/sdapi/v1", steps=4)
        found: list[Any] = []
        asking = threading.Thread(
            target=lambda: found.append(api.txt2img(prompt=PROMPT, width=64, height=64))
        )
        asking.start()
        assert reached.wait(60)
        progress = api.get_progress()
        assert progress["progress"] == 0.25
        assert progress["state"]["sampling_steps"] == 4
        api.interrupt()
        go_on.set()
        asking.join(60)
    assert found[0].images == []


def test_a_key_is_sent_as_a_password(studio: Studio, settings: Settings) -> None:
    keyed = load_settings(**{**settings.model_dump(), "api_keys": ("first-key",)})
    with serving(studio, keyed) as url:
        api = webuiapi.WebUIApi(baseurl=f"{url}/sdapi/v1", username="anybody", password="first-key")
        assert "tiny" in api.util_get_model_names()
        api.set_auth("anybody", "wrong")
        assert api.session.get(f"{url}/sdapi/v1/sd-models").status_code == 401
        assert httpx.get(f"{url}/v1/models", auth=("anybody", "first-key")).status_code == 401
