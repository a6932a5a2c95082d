"""POST /v1/inspect: a picture file in, everything that it says of itself out."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from imagegen.errors import InputFileInvalid
from imagegen.http.schemas.inspect import InspectAnswer
from imagegen.settings import Settings
from imagegen.store.identity import known_certificates
from imagegen.studio import Studio
from imagegen_postprocess import FinishingError

PATH = "/v1/inspect"
MAX_PICTURE_BYTES = 32 << 20
_BODY = {
    "required": True,
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}


def router(studio: Studio, settings: Settings) -> APIRouter:
    routes = APIRouter(prefix=PATH, tags=["finishing"])
    one_at_a_time = asyncio.Lock()

    @routes.post("", openapi_extra={"requestBody": _BODY})
    async def inspect_picture(
        request: Request,
        file_name: Annotated[str, Query(description="the file's name", max_length=255)] = "picture",
    ) -> InspectAnswer:
        """Looks into the body, a picture file as it is: source type, C2PA manifest, watermark, EXIF, GPS."""
        data = await request.body()
        async with one_at_a_time:
            return await run_in_threadpool(_inspect, data, file_name, settings)

    return routes


def _inspect(data: bytes, name: str, settings: Settings) -> InspectAnswer:
    from imagegen_postprocess import inspect_file  # loads Pillow and OpenCV, which starting must not

    try:
        known = known_certificates(settings.data_dir, settings.certificate)
        return InspectAnswer.model_validate(inspect_file(data, name, known).to_dict())
    except FinishingError as error:
        raise InputFileInvalid(error.message, field="body", hint=error.hint) from error
