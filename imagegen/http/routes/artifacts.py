"""GET /v1/artifacts/{id}: the picture that response_format=url pointed to."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from imagegen.artifact import FORMATS
from imagegen.http.problems import problem, request_id_of
from imagegen.settings import Settings
from imagegen.store.artifacts import open_artifacts
from imagegen.studio import Studio


def router(studio: Studio, settings: Settings) -> APIRouter:
    routes = APIRouter(prefix="/v1/artifacts", tags=["images"])
    files = open_artifacts(settings)

    @routes.head("/{id}", include_in_schema=False)
    @routes.get(
        "/{id}",
        name="artifact",
        response_class=FileResponse,
        responses={
            200: {"content": {f"image/{format}": {} for format in FORMATS}},
            206: {"description": "The range that was asked for"},
            304: {"description": "The caller has it already"},
            416: {"description": "The picture has no such range"},
        },
    )
    def artifact(id: str, request: Request) -> Response:
        """The picture's file. It never changes under its id, so the id is its ETag; ranges of files are
        served (a store of objects answers whole)."""
        path = files.path(id)
        data = files.read(id) if path is None else None
        if path is None and data is None:
            detail = f"there is no picture {id!r} here (it was never made, or was deleted)"
            return problem(request_id_of(request), 404, detail, code="artifact_not_found", param="id")
        headers = {"ETag": f'"{id}"', "Cache-Control": "private, max-age=31536000, immutable"}
        known = request.headers.get("if-none-match", "").replace("W/", "").split(",")
        if {headers["ETag"], "*"} & {tag.strip() for tag in known}:
            return Response(status_code=304, headers=headers)
        media_type = f"image/{id.rpartition('.')[2]}"
        if path is None:
            return Response(data, headers=headers, media_type=media_type)
        return FileResponse(path, headers=headers, media_type=media_type)

    return routes
