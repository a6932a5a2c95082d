"""POST /v1/images/generations: a description in, finished pictures out, in OpenAI's words.

The way through: read (from_wire), submit, wait (results), answer (to_wire).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from imagegen.artifact import Artifact
from imagegen.errors import ImagegenError
from imagegen.http.audit_trail import note, note_prompt
from imagegen.http.from_wire import encoding_quality, output_format, read
from imagegen.http.limits import refund, spend
from imagegen.http.results import results
from imagegen.http.routes.models import served_model
from imagegen.http.schemas.images import ImageGeneration, ImagesAnswer
from imagegen.http.to_wire import answer
from imagegen.request import ImageRequest
from imagegen.settings import Settings
from imagegen.store.files import ArtifactFiles
from imagegen.studio import Studio


def router(studio: Studio, settings: Settings) -> APIRouter:
    routes = APIRouter(prefix="/v1/images", tags=["images"])
    files = ArtifactFiles(settings.data_dir)

    @routes.post("/generations", response_model_exclude_unset=True)
    async def generate_images(body: ImageGeneration, request: Request) -> ImagesAnswer:
        """Makes finished pictures of what the prompt describes."""
        card = await run_in_threadpool(served_model, body.model, studio, settings)
        requests = read(body, card, settings.queue_size)
        format = output_format(body, requests[0].recipe)
        note(request, pictures=len(requests), model=card.name)
        note_prompt(request, body.prompt)
        await spend(request, len(requests))
        try:
            futures = await run_in_threadpool(submit, requests, studio)
        except ImagegenError:
            await refund(request, len(requests))
            raise
        artifacts = await results(futures, request)

        def url_of(artifact: Artifact) -> str:
            id = files.put(artifact, format, quality=encoding_quality(body))
            return str(request.url_for("artifact", id=id))

        return await run_in_threadpool(answer, body, format, card, artifacts, url_of)

    return routes


def submit(requests: Sequence[ImageRequest], studio: Studio) -> list[Future[Artifact]]:
    """All of them or none: when the queue fills up half-way, those already in it are withdrawn and Overloaded
    goes on."""
    futures: list[Future[Artifact]] = []
    for request in requests:
        try:
            futures.append(studio.submit(request))
        except ImagegenError:
            for future in futures:
                future.cancel()
            raise
    return futures
