"""POST /v1/images/edits: photos and a description in, finished pictures out, in OpenAI's words.

A model that was taught to look at photos makes a picture after them; with `strength` any model starts from
one. The way through is that of images/generations.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from imagegen.errors import ImagegenError, InvalidRequest
from imagegen.http.from_wire import read
from imagegen.http.photos import photo_of, read_form
from imagegen.http.routes.images import make
from imagegen.http.routes.models import served_model
from imagegen.http.schemas.edits import ImageEdit, form_schema
from imagegen.http.schemas.images import ImagesAnswer
from imagegen.photo import Photo
from imagegen.request import ImageRequest
from imagegen.settings import Settings
from imagegen.store.artifacts import open_artifacts
from imagegen.studio import Studio

PATH = "/v1/images/edits"
MAX_BYTES = 64 << 20
_EVENTS = {
    "type": "string",
    "description": "server-sent events: image_edit.partial_image, image_edit.completed, error",
}
_REFUSED = {
    "mask": "masks are not honoured: the whole picture is made anew",
    "input_fidelity": "cannot be chosen: photos are looked at in full",
}


def router(studio: Studio, settings: Settings) -> APIRouter:
    routes = APIRouter(prefix="/v1/images", tags=["images"])
    files = open_artifacts(settings)

    @routes.post(
        "/edits",
        response_model=ImagesAnswer,
        response_model_exclude_unset=True,
        responses={200: {"content": {"text/event-stream": {"schema": _EVENTS}}}},
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "multipart/form-data": {"schema": form_schema()},
                    "application/json": {"schema": {"$ref": "#/components/schemas/ImageEdit"}},
                },
            }
        },
    )
    async def edit_images(request: Request) -> Any:
        """Makes finished pictures after photos, or starting from one; with `stream`, as server-sent
        events."""
        body, photos = await _read(request)
        card = await run_in_threadpool(served_model, body.model, studio, settings)
        requests = [_with(asked, body, photos) for asked in read(body, card, settings.queue_size)]
        try:
            return await make(request, body, card, requests, studio, files, kind="image_edit")
        except ImagegenError as error:
            if error.field == "references":
                error.field = "image"  # as the sender calls them
            raise

    @routes.post("/variations", include_in_schema=False)
    async def vary_images(request: Request) -> None:
        """Refused: a variation has no description, and the models here need one."""
        async for _ in request.stream():
            pass  # read to its end, or the client would see a broken connection instead of the reason
        raise InvalidRequest(
            "the models here need a description",
            field="prompt",
            hint="use images/edits with a prompt and a strength",
        )

    return routes


async def _read(request: Request) -> tuple[ImageEdit, list[Photo]]:
    """The body, a form or JSON, and its photos."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    photos: list[Photo] = []
    if kind == "multipart/form-data":
        fields, photos = await read_form(request, "image")
    elif kind == "application/json":
        fields = await _json(request)
    else:
        raise InvalidRequest(
            "must be multipart/form-data with files, or application/json with images", field="Content-Type"
        )
    for name, reason in _REFUSED.items():
        if fields.get(name) is not None:
            raise InvalidRequest(reason, field=name, hint="leave it out")
    try:
        body = ImageEdit.model_validate(fields)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from error
    found = [photo_of(each.image_url, f"images[{i}].image_url") for i, each in enumerate(body.images)]
    if photos and found:
        raise InvalidRequest("are given twice, as files and here", field="images")
    if not photos and not found:
        raise InvalidRequest("is required", field="image", hint="send the photo as a file")
    return body, photos or found


async def _json(request: Request) -> dict[str, Any]:
    try:
        fields = await request.json()
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from error
    if not isinstance(fields, dict):
        raise InvalidRequest("the body must be a JSON object")
    return fields


def _with(request: ImageRequest, body: ImageEdit, photos: list[Photo]) -> ImageRequest:
    """The request with its photos: to look at, or with a strength the first one to start from."""
    if body.strength is None:
        if body.fit is not None:
            raise InvalidRequest("belongs to a photo to start from", field="fit", hint="give a strength")
        return replace(request, references=tuple(photos))
    return replace(
        request,
        image=photos[0],
        strength=body.strength,
        fit=body.fit or "pad",
        references=tuple(photos[1:]),
    )
