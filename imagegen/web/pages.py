"""Serves the files of `static/`: / is the studio page, /docs the reference of the HTTP service."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import APIRouter, Request, Response

_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_PAGES = {"index.html": "/", "reference.html": "/docs"}

# Nothing from anywhere else and no inline code; made pictures are blob: URLs.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def router() -> APIRouter:
    """One route for each file, read once: a path that is not in the folder has no route at all."""
    routes = APIRouter()
    for file in sorted(_FOLDER.iterdir()):
        path = _PAGES.get(file.name, f"/static/{file.name}")
        routes.add_route(path, _serve(file.read_bytes(), _TYPES[file.suffix]), include_in_schema=False)
    return routes


def _serve(content: bytes, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "no-cache",  # ask each time; a 304 answers
        "Content-Security-Policy": _POLICY,
        "Referrer-Policy": "no-referrer",
    }

    async def serve(request: Request) -> Response:
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return serve
