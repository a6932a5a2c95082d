"""POST /v1/check: a picture file in, every limit of a marketplace held against it out."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from imagegen.errors import InputFileInvalid, InvalidRequest
from imagegen.http.schemas.check import CheckAnswer
from imagegen.settings import Settings
from imagegen.studio import Studio
from imagegen_postprocess import FinishingError, load_preset

PATH = "/v1/check"
MAX_PICTURE_BYTES = 32 << 20  # the largest limit of a marketplace is 20 MiB, and a heavier file must hear so
_BODY = {
    "required": True,
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}


def router(studio: Studio, settings: Settings) -> APIRouter:
    routes = APIRouter(prefix=PATH, tags=["presets"])
    one_at_a_time = asyncio.Lock()  # a picture of 100 megapixels takes a gigabyte while it is measured

    @routes.post("", openapi_extra={"requestBody": _BODY})
    async def check_picture(
        request: Request,
        preset: Annotated[str, Query(description="a name from /v1/presets")],
        file_name: Annotated[
            str, Query(description="the file's name, which some marketplaces read", max_length=255)
        ] = "picture",
    ) -> CheckAnswer:
        """Holds the body, a picture file as it is, against every limit of a marketplace."""
        data = await request.body()
        async with one_at_a_time:
            return await run_in_threadpool(_check, data, preset, file_name)

    return routes


def _check(data: bytes, preset: str, name: str) -> CheckAnswer:
    from imagegen_postprocess import check  # loads Pillow and OpenCV, which starting the server must not

    try:
        chosen = load_preset(preset)
    except FinishingError as error:
        raise InvalidRequest(error.message, field=error.field, hint=error.hint) from error
    try:
        return CheckAnswer.model_validate(check(data, chosen, name).to_dict())
    except FinishingError as error:
        raise InputFileInvalid(error.message, field="body", hint=error.hint) from error
