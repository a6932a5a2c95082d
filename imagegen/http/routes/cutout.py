"""POST /v1/cutout: a photo in, the product alone out, as a transparent PNG of the photo's size."""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from imagegen.artifact import Artifact
from imagegen.errors import InputFileInvalid, InvalidRequest
from imagegen.http.schemas.cutout import CutOutAnswer
from imagegen.settings import Settings
from imagegen.studio import Studio
from imagegen_postprocess import FinishingError

PATH = "/v1/cutout"
MAX_PICTURE_BYTES = 64 << 20
_FILE = {"type": "string", "format": "binary"}
_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "properties": {"file": _FILE}, "required": ["file"]}
        },
        "application/octet-stream": {"schema": _FILE},
    },
}
_ANSWERS = {
    "image/png": {"schema": _FILE},
    "application/json": {"schema": CutOutAnswer.model_json_schema()},
}


def router(studio: Studio, settings: Settings) -> APIRouter:
    routes = APIRouter(prefix=PATH, tags=["finishing"])
    one_at_a_time = asyncio.Lock()  # a picture of 100 megapixels takes a gigabyte while it is cut out

    @routes.post(
        "",
        openapi_extra={"requestBody": _BODY},
        response_class=Response,
        responses={200: {"description": "The cut-out", "content": _ANSWERS}},
    )
    async def cut_out(
        request: Request,
        model: Annotated[str, Query(description="auto, plain, bundled or a model's name")] = "auto",
        keep_shadow: Annotated[bool, Query(description="keep a soft shadow on a plain background")] = False,
    ) -> Response:
        """Cuts a product out. The file is the form's `file`, or the whole body.

        The PNG's headers X-Cutout-Method, X-Cutout-Confidence (0..1) and X-Cutout-Review (true: a person
        should look) say how sure it is; `Accept: application/json` gives all of it as JSON.
        """
        data = await _file(request)
        as_json = "application/json" in request.headers.get("accept", "")
        async with one_at_a_time:
            return await run_in_threadpool(_answer, studio, data, model, keep_shadow, as_json)

    return routes


async def _file(request: Request) -> bytes:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body()
    async with request.form(max_files=1, max_fields=0) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InvalidRequest("the form has no file of that name", field="file")
        return await file.read()


def _answer(studio: Studio, data: bytes, model: str, keep_shadow: bool, as_json: bool) -> Response:
    from imagegen_postprocess import (
        open_picture,
    )  # loads Pillow and OpenCV, which starting the server must not

    try:
        picture = open_picture(data)
    except FinishingError as error:
        raise InputFileInvalid(error.message, field="file", hint=error.hint) from error
    try:
        artifact = studio.cut_out(picture, model, keep_shadow=keep_shadow)
    except InputFileInvalid as error:
        raise InputFileInvalid(error.message, field="file", hint=error.hint) from error
    except InvalidRequest as error:
        field = "model" if error.field == "cutout" else error.field
        raise InvalidRequest(error.message, field=field, hint=error.hint) from error
    return _as_json(artifact) if as_json else _as_png(artifact)


def _as_png(artifact: Artifact) -> Response:
    detail = _detail(artifact)
    headers = {
        "X-Cutout-Method": detail["method"],
        "X-Cutout-Review": str(detail["review"]).lower(),
    }
    if detail["confidence"] is not None:
        headers["X-Cutout-Confidence"] = f"{detail['confidence']:.3f}"
    return Response(artifact.encode("png"), media_type="image/png", headers=headers)


def _as_json(artifact: Artifact) -> Response:
    detail = _detail(artifact)
    assert artifact.report is not None
    answer = CutOutAnswer(
        b64_json=base64.b64encode(artifact.encode("png")).decode(), report=artifact.report.to_dict(), **detail
    )
    return Response(answer.model_dump_json(), media_type="application/json")


def _detail(artifact: Artifact) -> dict[str, Any]:
    assert artifact.report is not None
    step = artifact.report["cutout"]
    return {
        "method": step.detail["method"],
        "confidence": step.detail.get("confidence"),
        "review": bool(step.detail.get("review", False)),
        "note": step.note,
    }
