"""POST /v1/finish: a photo in, a finished product picture out."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from starlette.concurrency import run_in_threadpool

from imagegen.artifact import Artifact, Format
from imagegen.batch.file_names import safe_stem
from imagegen.errors import InputFileInvalid, InvalidRequest
from imagegen.http.schemas.check import CheckAnswer
from imagegen.http.schemas.finish import FinishAnswer, FinishForm
from imagegen.request import parse_size
from imagegen.settings import Settings
from imagegen.studio import Studio
from imagegen_postprocess import (
    FinishingError,
    Recipe,
    choose_recipe,
    load_preset,
    load_recipe,
    read_document,
    to_document,
)

if TYPE_CHECKING:
    from imagegen_postprocess import CheckReport

PATH = "/v1/finish"
MAX_PICTURE_BYTES = 33 << 20  # a picture of 32 MiB and the form around it
_PICTURE = {"schema": {"type": "string", "format": "binary"}}


def router(studio: Studio, settings: Settings) -> APIRouter:
    routes = APIRouter(prefix=PATH, tags=["finishing"])
    one_at_a_time = asyncio.Lock()  # a picture of 100 megapixels takes a gigabyte while it is taken in

    @routes.post(
        "",
        response_model=FinishAnswer,
        responses={200: {"content": {"image/png": _PICTURE, "image/jpeg": _PICTURE, "image/webp": _PICTURE}}},
    )
    async def finish_picture(
        request: Request, form: Annotated[FinishForm, Form(media_type="multipart/form-data")]
    ) -> FinishAnswer | Response:
        """Finishes a photo by a recipe or for a marketplace. With `Accept: image/*` the answer is the file,
        with `x-imagegen-verdict` where it was checked; else it is JSON with the file and the report."""
        data = await form.image.read()
        async with one_at_a_time:
            done = await run_in_threadpool(_finish, studio, data, form)
        if request.headers.get("accept", "").strip().startswith("image/"):
            verdict = {} if done.check is None else {"x-imagegen-verdict": done.check.verdict}
            return Response(done.file, media_type=f"image/{done.format}", headers=verdict)
        return _answer(done)

    return routes


@dataclass(frozen=True)
class _Done:
    artifact: Artifact
    recipe: Recipe
    file: bytes
    format: Format
    name: str
    check: CheckReport | None


def _finish(studio: Studio, data: bytes, form: FinishForm) -> _Done:
    from imagegen_postprocess import check, open_picture

    recipe = _recipe(form)
    named = PurePath(form.image.filename or "picture")
    try:
        photo = open_picture(data, name=named.name)
    except FinishingError as error:
        raise InputFileInvalid(error.message, field="image", hint=error.hint) from error
    artifact = studio.finish(photo, recipe)
    format = form.output_format or artifact.own_format
    try:
        file = artifact.encode(format)
    except InvalidRequest as error:
        field = "output_format" if error.field == "format" else error.field
        raise InvalidRequest(error.message, field=field, hint=error.hint) from error
    stem, suffix = named.stem, f".{format.replace('jpeg', 'jpg')}"
    if artifact.preset is None:
        return _Done(artifact, recipe, file, format, safe_stem(stem) + suffix, None)
    stem, suffix = artifact.preset.file_name(stem, format)
    name = safe_stem(stem) + suffix
    return _Done(artifact, recipe, file, format, name, check(file, artifact.preset, name))


def _recipe(form: FinishForm) -> Recipe:
    """Raises InvalidRequest naming the form's field. A recipe is a name or a text, never a path."""
    try:
        fields: dict[str, Any] | None = None
        if form.recipe is not None:
            is_text = any(mark in form.recipe for mark in ":{\n")
            fields = read_document(form.recipe, "recipe") if is_text else load_recipe(form.recipe)
        size = None if form.size is None else parse_size(form.size)
        recipe = choose_recipe(fields, preset=form.preset, background=form.background, size=size)
        if recipe.preset is not None and form.output_format is not None:
            formats = load_preset(recipe.preset).formats
            if form.output_format not in formats:
                raise InvalidRequest(
                    f"{recipe.preset} does not take {form.output_format}",
                    field="output_format",
                    hint=f"use {' or '.join(formats)}",
                )
    except FinishingError as error:
        field = "size" if error.field in ("width", "height") and form.size else error.field
        raise InvalidRequest(error.message, field=field, hint=error.hint) from error
    return recipe


def _answer(done: _Done) -> FinishAnswer:
    artifact, report = done.artifact, done.artifact.report
    return FinishAnswer(
        b64_json=base64.b64encode(done.file).decode("ascii"),
        file_name=done.name,
        output_format=done.format,
        size=f"{artifact.picture.width}x{artifact.picture.height}",
        recipe=to_document(done.recipe),
        report={} if report is None else report.to_dict(),
        provenance=asdict(artifact.provenance),
        warnings=list(artifact.remarks),
        check=None if done.check is None else CheckAnswer.model_validate(done.check.to_dict()),
    )
