"""The real openai client reads a stream of pictures."""

from __future__ import annotations

import base64
import io
import json
import threading

import httpx
import openai
import pytest
from PIL import Image

from imagegen import Settings, Studio
from imagegen.errors import GenerationFailed
from imagegen.request import ImageRequest
from tests.http.live_server import serving

PROMPT = "red leather handbag"


def opened(text: str) -> Image.Image:
    picture = Image.open(io.BytesIO(base64.b64decode(text)))
    picture.load()
    return picture


def test_partial_pictures_and_then_the_finished_one(client: openai.OpenAI) -> None:
    stream = client.images.generate(
        prompt=PROMPT,
        stream=True,
        partial_images=2,
        size="96x80",
        output_format="webp",
        extra_body={"seed": 3},
    )
    events = list(stream)
    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    first, second, last = events
    assert first.type == second.type == "image_generation.partial_image"
    assert (first.partial_image_index, second.partial_image_index) == (0, 1)
    assert last.type == "image_generation.completed"
    for event in events:
        picture = opened(event.b64_json)
        assert picture.format == "WEBP"
        assert event.size == f"{picture.width}x{picture.height}"
    assert opened(last.b64_json).size == (96, 80)
    assert last.usage.total_tokens > 0
    assert (last.model_extra or {})["imagegen"]["picture"]["seed"] == 3


def test_a_stream_gives_the_picture_that_its_seed_always_gives(client: openai.OpenAI) -> None:
    plain = {"seed": 9, "recipe": False}
    (last,) = client.images.generate(prompt=PROMPT, stream=True, extra_body=plain)
    alone = client.images.generate(prompt=PROMPT, extra_body=plain)
    assert alone.data is not None
    assert last.b64_json == alone.data[0].b64_json


def test_each_of_n_pictures_ends_with_an_event_of_its_own(client: openai.OpenAI) -> None:
    events = list(client.images.generate(prompt=PROMPT, n=3, stream=True, partial_images=1))
    places = [((event.model_extra or {})["imagegen"]["place"], event.type) for event in events]
    assert sorted(places) == [
        (place, f"image_generation.{kind}") for place in range(3) for kind in ("completed", "partial_image")
    ]


def test_what_cannot_be_honoured_is_refused_before_the_stream_begins(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.images.generate(prompt=PROMPT, stream=True, size="17x16")
    assert refusal.value.param == "size"


class FailingStudio(Studio):
    """Looks at the first preview and then fails, as a broken model would."""

    def submit(self, request: ImageRequest | str, **options: object) -> object:  # type: ignore[override]
        seen = options["on_preview"]

        def fail(index: int, pixels: object) -> None:
            seen(index, pixels)  # type: ignore[operator]
            raise GenerationFailed("the model failed: its numbers overflowed")

        return super().submit(request, on_preview=fail, previews=1)


def test_an_error_in_the_middle_raises_in_the_client(settings: Settings) -> None:
    with (
        FailingStudio(settings) as studio,
        serving(studio, settings) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client,
    ):
        stream = iter(client.images.generate(prompt=PROMPT, stream=True, partial_images=1))
        assert next(stream).type == "image_generation.partial_image"
        with pytest.raises(openai.APIError, match="its numbers overflowed"):
            next(stream)


def test_the_wire_is_plain_server_sent_events(http: httpx.Client) -> None:
    body = {"prompt": PROMPT, "stream": True, "partial_images": 3}
    with http.stream("POST", "/v1/images/generations", json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-request-id"]
        text = "".join(answer.iter_text())
    events = [
        dict(line.split(": ", 1) for line in block.splitlines()) for block in text.split("\n\n") if block
    ]
    assert len(events) == 4
    for event in events:
        assert json.loads(event["data"])["type"] == event["event"]


def test_a_client_that_hangs_up_ends_the_work(settings: Settings) -> None:
    reached, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    class SlowStudio(Studio):
        def submit(self, request: ImageRequest | str, **options: object) -> object:  # type: ignore[override]
            seen = options["on_preview"]

            def hold(done: int, total: int) -> None:
                if done == 2:
                    reached.set()
                    go_on.wait(60)

            future = super().submit(request, on_step=hold, on_preview=seen, previews=1)  # type: ignore[arg-type]
            future.add_done_callback(lambda done: ended.set())
            return future

    with SlowStudio(settings) as studio, serving(studio, settings) as url:
        body = {"prompt": PROMPT, "stream": True, "partial_images": 3}
        with httpx.stream("POST", f"{url}/v1/images/generations", json=body, timeout=60):
            assert reached.wait(60)
        assert ended.wait(60)  # cancelled while the device is still held
        go_on.set()
