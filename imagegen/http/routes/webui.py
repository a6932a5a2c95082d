"""/sdapi/v1: the dialect of Stable Diffusion WebUI, so that its tools connect."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from imagegen.artifact import Artifact
from imagegen.errors import Cancelled, ImagegenError, InvalidRequest
from imagegen.http.audit_trail import expect, note, note_prompt
from imagegen.http.limits import refund, spend
from imagegen.http.results import results
from imagegen.http.routes.models import served_model, served_models
from imagegen.http.schemas.webui import (
    Img2Img,
    Options,
    OptionsChange,
    Progress,
    ProgressState,
    Sampler,
    Scheduler,
    SdModel,
    Txt2Img,
    WebuiAnswer,
)
from imagegen.http.webui import wire
from imagegen.http.webui.progress import Desk, Work
from imagegen.keys.key import Key
from imagegen.request import ImageRequest, Priority
from imagegen.settings import Settings
from imagegen.store.artifacts import open_artifacts
from imagegen.studio import Studio

IMG2IMG = "/sdapi/v1/img2img"
MAX_BYTES = 32 << 20  # a picture of 24 MiB in base64
_NONE_HERE: dict[str, Any] = {
    "scripts": {"txt2img": [], "img2img": []},
    "embeddings": {"loaded": {}, "skipped": {}},
    "upscalers": [],
    "latent-upscale-modes": [],
    "sd-vae": [],
    "loras": [],
    "hypernetworks": [],
    "face-restorers": [],
    "prompt-styles": [],
}
"""What its tools ask for when they connect, and what does not exist here."""


def router(studio: Studio, settings: Settings) -> APIRouter:
    routes = APIRouter(prefix="/sdapi/v1", tags=["webui"])
    files = open_artifacts(settings)
    desk = Desk()
    chosen: dict[str, Options] = {}  # by the caller's key: nobody changes somebody else's model

    def options_of(request: Request) -> Options:
        own = chosen.get(request.state.caller.id)
        return own or Options(sd_model_checkpoint=served_model(None, studio, settings).name)

    async def make(body: Txt2Img, request: Request) -> WebuiAnswer:
        standing = await run_in_threadpool(options_of, request)
        name = body.override_settings.get("sd_model_checkpoint", standing.sd_model_checkpoint)
        if not isinstance(name, str):
            raise InvalidRequest("must be a model's name", field="override_settings.sd_model_checkpoint")
        card = await run_in_threadpool(served_model, name, studio, settings)
        format = wire.format_of(body.override_settings, standing.samples_format)
        requests = wire.read(body, card, settings.queue_size)
        if isinstance(body, Img2Img):
            requests = wire.with_photo(requests, body)
        note(request, pictures=len(requests), model=card.name)
        note_prompt(request, body.prompt)
        await spend(request, len(requests))
        caller = request.state.caller.id
        work = desk.begin(caller, len(requests))
        try:
            artifacts = await _made(requests, studio, work, request)
        finally:
            desk.end(caller, work)
        expect(request, 200)
        stored = []
        if body.save_images:
            stored = [await run_in_threadpool(files.put, artifact, format) for artifact in artifacts]
        return await run_in_threadpool(wire.answer, body, card, artifacts, format, stored)

    @routes.post("/txt2img")
    async def txt2img(body: Txt2Img, request: Request) -> WebuiAnswer:
        """Makes finished pictures of what the prompt describes."""
        return await make(body, request)

    @routes.post("/img2img")
    async def img2img(body: Img2Img, request: Request) -> WebuiAnswer:
        """Makes finished pictures that start from another: noise is laid over it, as much as
        denoising_strength says, and taken away again as the prompt says."""
        return await make(body, request)

    @routes.get("/options")
    def options(request: Request) -> Options:
        """The settings that exist here."""
        return options_of(request)

    @routes.post("/options")
    def set_options(body: OptionsChange, request: Request) -> None:
        """Sets them for this caller, until the server stops."""
        standing = options_of(request)
        changes = body.model_dump(exclude_none=True)
        if "sd_model_checkpoint" in changes:
            served_model(body.sd_model_checkpoint, studio, settings)
        chosen[request.state.caller.id] = standing.model_copy(update=changes)

    @routes.get("/sd-models")
    def sd_models() -> list[SdModel]:
        """The installed models."""
        names = served_models(studio, settings)
        return [SdModel(title=name, model_name=name, filename=name) for name in names]

    @routes.get("/samplers")
    def samplers() -> list[Sampler]:
        """The one there is."""
        return [Sampler(name=wire.SAMPLER, aliases=["euler"], options={})]

    @routes.get("/schedulers")
    def schedulers() -> list[Scheduler]:
        """The one there is."""
        return [Scheduler(name="flow", label=wire.SCHEDULER)]

    @routes.get("/progress")
    def progress(request: Request, skip_current_image: bool = True) -> Progress:
        """How far this caller's pictures are."""
        return _progress(desk.of(request.state.caller.id))

    @routes.post("/interrupt")
    def interrupt(request: Request) -> None:
        """Ends this caller's work; what is finished is answered."""
        desk.interrupt(request.state.caller.id)

    for name, nothing in _NONE_HERE.items():
        routes.add_api_route(f"/{name}", partial(_constant, nothing), methods=["GET"], name=name)
    return routes


def _constant(nothing: Any) -> Any:
    return nothing


async def _made(
    requests: Sequence[ImageRequest], studio: Studio, work: Work, request: Request
) -> list[Artifact]:
    try:
        await run_in_threadpool(_submit, requests, studio, request.state.caller, work)
    except ImagegenError:
        await refund(request, len(requests))
        raise
    try:
        return await results(work.futures, request)
    except Cancelled:
        if not work.interrupted:
            raise
        return [future.result() for future in work.futures if _whole(future)]


def _submit(requests: Sequence[ImageRequest], studio: Studio, caller: Key, work: Work) -> None:
    """All of them or none; callers take turns."""
    turn: dict[str, Any] = {"owner": caller.id, "priority": Priority(caller.priority)}
    try:
        for place, request in enumerate(requests):
            work.futures.append(studio.submit(request, on_step=work.on_step(place), **turn))
    except ImagegenError:
        for future in work.futures:
            future.cancel()
        raise


def _whole(future: Future[Artifact]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _progress(work: list[Work]) -> Progress:
    pictures = sum(each.pictures for each in work)
    share = sum(each.share * each.pictures for each in work) / pictures if pictures else 0.0
    elapsed = time.monotonic() - work[0].started if work else 0.0
    done, total = max((steps for each in work for steps in list(each.steps.values())), default=(0, 0))
    return Progress(
        progress=min(1.0, share),
        eta_relative=max(0.0, elapsed / share - elapsed) if share else 0.0,
        state=ProgressState(
            job_count=pictures,
            sampling_step=done,
            sampling_steps=total,
            interrupted=any(each.interrupted for each in work),
        ),
    )
