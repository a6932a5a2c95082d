"""POST /v1/images/generations: a description in, finished pictures out, in OpenAI's words.

The way through: read (from_wire), submit, wait (results), answer (to_wire).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from imagegen.artifact import Artifact
from imagegen.errors import ImagegenError, InvalidRequest
from imagegen.http.audit_trail import expect, note, note_prompt
from imagegen.http.from_wire import encoding_quality, output_format, read
from imagegen.http.limits import refund, spend
from imagegen.http.results import results
from imagegen.http.routes.models import served_model
from imagegen.http.schemas.images import ImageGeneration, ImagesAnswer
from imagegen.http.streaming import EventStream, Kind, PictureStream
from imagegen.http.to_wire import answer
from imagegen.keys.key import Key
from imagegen.request import ImageRequest, Priority
from imagegen.settings import Settings
from imagegen.store.artifacts import ArtifactStore, open_artifacts
from imagegen.studio import Studio
from imagegen.weights.catalog import ModelCard

_EVENTS = {
    "type": "string",
    "description": "server-sent events: image_generation.partial_image, image_generation.completed, error",
}


def router(studio: Studio, settings: Settings) -> APIRouter:
    routes = APIRouter(prefix="/v1/images", tags=["images"])
    files = open_artifacts(settings)

    @routes.post(
        "/generations",
        response_model=ImagesAnswer,
        response_model_exclude_unset=True,
        responses={200: {"content": {"text/event-stream": {"schema": _EVENTS}}}},
    )
    async def generate_images(body: ImageGeneration, request: Request) -> Any:
        """Makes finished pictures of what the prompt describes; with `stream`, as server-sent events."""
        card = await run_in_threadpool(served_model, body.model, studio, settings)
        requests = read(body, card, settings.queue_size)
        return await make(request, body, card, requests, studio, files)

    return routes


async def make(
    request: Request,
    body: ImageGeneration,
    card: ModelCard,
    requests: list[ImageRequest],
    studio: Studio,
    files: ArtifactStore,
    kind: Kind = "image_generation",
) -> Any:
    """The answer to a body: its pictures, or a stream of events that are called after `kind`."""
    format = output_format(body, requests[0].recipe)
    note(request, pictures=len(requests), model=card.name)
    note_prompt(request, body.prompt)
    await spend(request, len(requests))
    stream = PictureStream(body, format, kind) if body.stream else None
    try:
        futures = await run_in_threadpool(
            submit, requests, studio, request.state.caller, stream, body.partial_images
        )
    except ImagegenError:
        await refund(request, len(requests))
        raise
    if stream is not None:
        stream.watch(futures)
        one = partial(answer, body, format, card, url_of=refuse_url)
        return EventStream(stream.events(lambda artifact: one([artifact])))
    artifacts = await results(futures, request)
    expect(request, 200)

    def url_of(artifact: Artifact) -> str:
        id = files.put(artifact, format, quality=encoding_quality(body))
        return str(request.url_for("artifact", id=id))

    return await run_in_threadpool(answer, body, format, card, artifacts, url_of)


def refuse_url(artifact: Artifact) -> str:
    """A stream carries its pictures; from_wire refused anything else."""
    raise InvalidRequest("a stream carries the pictures themselves", field="response_format")


def submit(
    requests: Sequence[ImageRequest],
    studio: Studio,
    caller: Key,
    stream: PictureStream | None = None,
    partial_images: int = 0,
) -> list[Future[Artifact]]:
    """All of them or none: when the queue fills up half-way, those already in it are withdrawn and Overloaded
    goes on. Callers take turns."""
    turn: dict[str, Any] = {"owner": caller.id, "priority": Priority(caller.priority)}
    futures: list[Future[Artifact]] = []
    for place, request in enumerate(requests):
        seen = None if stream is None else stream.on_preview(place)
        try:
            futures.append(studio.submit(request, on_preview=seen, previews=partial_images, **turn))
        except ImagegenError:
            for future in futures:
                future.cancel()
            raise
    return futures
