"""Pictures as server-sent events: what each looks like between its steps, then each finished one.

The events are OpenAI's. One more member, `imagegen`, says which of the `n` pictures an event is about.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from imagegen.artifact import GENERATED, Artifact, Format, Provenance
from imagegen.errors import Cancelled, ImagegenError
from imagegen.http.from_wire import encoding_quality
from imagegen.http.problems import openai_error
from imagegen.http.schemas.images import (
    ImageGeneration,
    ImagesAnswer,
    PartialImageEvent,
    PictureEvent,
    PlaceDetails,
)
from imagegen.http.to_wire import base64_of, quality_of

if TYPE_CHECKING:
    import numpy as np

Kind = Literal["image_generation", "image_edit"]
QUIET_SECONDS = 15.0
"""After so long without an event a comment is sent, so that no proxy takes the connection for dead."""


@dataclass(frozen=True, slots=True)
class _Partial:
    place: int
    index: int
    pixels: np.ndarray


class PictureStream:
    """Collects what happens to the pictures of one request; made on the event loop that will send it.

    Hand `on_preview(place)` to the studio, `watch` the futures it gives, then iterate `events`.
    """

    def __init__(self, body: ImageGeneration, format: Format, kind: Kind = "image_generation") -> None:
        """The events are called after `kind`."""
        self._body = body
        self._kind: Kind = kind
        self._format: Format = format
        self._loop = asyncio.get_running_loop()
        self._happened: asyncio.Queue[_Partial | int] = asyncio.Queue()
        self._futures: Sequence[Future[Artifact]] = ()

    def on_preview(self, place: int) -> Callable[[int, np.ndarray], None]:
        """The studio's callback for the picture at this place; it may be called in any thread."""

        def seen(index: int, pixels: np.ndarray) -> None:
            self._put(_Partial(place, index, pixels))

        return seen

    def watch(self, futures: Sequence[Future[Artifact]]) -> None:
        self._futures = futures
        for place, future in enumerate(futures):
            future.add_done_callback(partial(self._ended, place))

    async def events(self, answer: Callable[[Artifact], ImagesAnswer]) -> AsyncIterator[bytes]:
        """The events until the last picture, or until the first error, which is the last event then. When
        the client hangs up, what is not finished is cancelled."""
        left = len(self._futures)
        try:
            while left:
                try:
                    happened = await asyncio.wait_for(self._happened.get(), QUIET_SECONDS)
                except TimeoutError:
                    yield KEEPALIVE_COMMENT
                    continue
                if isinstance(happened, _Partial):
                    yield await run_in_threadpool(self._partial, happened)
                else:
                    yield await run_in_threadpool(self._finished, happened, answer)
                    left -= 1
        except ImagegenError as error:
            yield sse("error", {"type": "error", "error": openai_error(error).model_dump()})
        finally:
            for future in self._futures:
                future.cancel()
            self._futures = ()  # which hold this stream: without the cycle, pictures go at once

    def _ended(self, place: int, future: Future[Artifact]) -> None:
        self._put(place)

    def _put(self, happened: _Partial | int) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._happened.put_nowait, happened)

    def _partial(self, seen: _Partial) -> bytes:
        from PIL import Image

        picture = Image.fromarray(seen.pixels)
        artifact = Artifact(picture=picture, provenance=Provenance(GENERATED))
        event = PartialImageEvent(
            type="image_edit.partial_image"
            if self._kind == "image_edit"
            else "image_generation.partial_image",
            b64_json=base64_of(artifact.encode(self._format, quality=encoding_quality(self._body))),
            created_at=int(time.time()),
            partial_image_index=seen.index,
            background="opaque",
            output_format=self._format,
            quality=quality_of(self._body),
            size=f"{picture.width}x{picture.height}",
            imagegen=PlaceDetails(place=seen.place),
        )
        return sse(event.type, event.model_dump())

    def _finished(self, place: int, answer: Callable[[Artifact], ImagesAnswer]) -> bytes:
        try:
            artifact = self._futures[place].result()
        except CancelledError as error:
            raise Cancelled("the server is closing", hint="ask again when it is back") from error
        whole = answer(artifact)
        kind: Literal["image_generation.completed", "image_edit.completed"] = (
            "image_edit.completed" if self._kind == "image_edit" else "image_generation.completed"
        )
        (picture,) = whole.data
        event = PictureEvent(
            type=kind,
            b64_json=picture.b64_json or "",
            created_at=whole.created,
            background=whole.background,
            output_format=whole.output_format,
            quality=whole.quality,
            size=whole.size,
            usage=whole.usage,
            imagegen=PlaceDetails(
                place=place,
                model=whole.imagegen.model,
                ignored=whole.imagegen.ignored,
                picture=picture.imagegen,
            ),
        )
        return sse(kind, event.model_dump())


class EventStream(StreamingResponse):
    """Server-sent events, which no proxy shall keep back."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def sse(event: str, data: Any, id: str | None = None) -> bytes:
    """One server-sent event with JSON in it."""
    return format_sse_event(event=event, data_str=json.dumps(data), id=id)
