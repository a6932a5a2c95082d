"""Error bodies: everything that goes wrong leaves as one RFC 9457 problem document that carries OpenAI's
`error` member.

Both worlds read it: a plain problem document would make the openai client lose message and code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from imagegen.errors import ImagegenError
from imagegen.http.schemas.problem import FieldFault, OpenAIError, Problem

MEDIA_TYPE = "application/problem+json"
LONGEST_RETRY = 120
"""Seconds of a Retry-After that the openai client honours."""
_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "body_too_large",
    415: "unsupported_media_type",
    500: "internal_error",
}


def install(app: FastAPI) -> None:
    """Makes every error that reaches the app leave as a problem document."""
    app.add_exception_handler(ImagegenError, _raised)
    app.add_exception_handler(RequestValidationError, _body_invalid)
    app.add_exception_handler(HTTPException, _refused_by_framework)


def problem(
    request_id: str,
    status: int,
    detail: str,
    *,
    code: str | None = None,
    type: str | None = None,
    param: str | None = None,
    errors: Sequence[FieldFault] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response. `code`, `type` and `param` are OpenAI's; those not given follow from the status."""
    code = code or _CODES.get(status, "invalid_request" if status < 500 else "internal_error")
    type = type or ("invalid_request_error" if status < 500 else "server_error")
    body = Problem(
        title=_title(status),
        status=status,
        detail=detail,
        code=code,
        request_id=request_id,
        errors=list(errors) if len(errors) > 1 else [],
        error=OpenAIError(message=detail, type=type, param=param, code=code),
    )
    # ASCII escapes: a message may quote half a character of the request, which UTF-8 cannot carry.
    text = json.dumps(body.model_dump(), ensure_ascii=True)
    return Response(text, status, headers, media_type=MEDIA_TYPE)


def problem_of(error: ImagegenError, request_id: str) -> Response:
    """The response for an error of our own tree (imagegen/errors.py knows status, code and field)."""
    headers: dict[str, str] = {}
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(math.ceil(retry_after))
        headers["retry-after-ms"] = str(math.ceil(retry_after * 1000))
        if retry_after > LONGEST_RETRY:
            headers["x-should-retry"] = "false"  # the client would try at once instead
    elif error.http_status >= 500:
        # The client would try twice again. A broken checkpoint stays broken; memory may be free soon.
        headers["x-should-retry"] = "true" if error.http_status == 503 else "false"
    elif error.http_status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    param = error.param if error.http_status < 500 else None
    return problem(
        request_id,
        error.http_status,
        str(error),
        code=error.code,
        type=error.type,
        param=param,
        headers=headers,
    )


def openai_error(error: ImagegenError) -> OpenAIError:
    """The error as OpenAI's member alone, for streams that have begun already."""
    return OpenAIError(
        message=str(error),
        type=error.type,
        param=error.param if error.http_status < 500 else None,
        code=error.code,
    )


def request_id_of(request: Request) -> str:
    """The id that envelope.py gave this request."""
    return str(request.state.request_id)


async def _raised(request: Request, error: Exception) -> Response:
    return problem_of(cast(ImagegenError, error), request_id_of(request))


async def _refused_by_framework(request: Request, refusal: Exception) -> Response:
    """Unknown routes and methods, and bodies that cannot be read."""
    error = cast(HTTPException, refusal)
    detail = error.detail
    if error.status_code == 404:
        detail = f"there is nothing at {request.url.path} (/docs lists what there is)"
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        detail = f"{request.url.path} does not take {request.method}"
        detail += f" (it takes {allowed})" if allowed else ""
    return problem(request_id_of(request), error.status_code, detail, headers=error.headers)


async def _body_invalid(request: Request, error: Exception) -> Response:
    faults = [_fault(fault) for fault in cast(RequestValidationError, error).errors()]
    first = faults[0]
    return problem(
        request_id_of(request), 400, first.message, code="invalid_request", param=first.param, errors=faults
    )


def _fault(fault: Mapping[str, Any]) -> FieldFault:
    """One entry of pydantic's list in our words; it never quotes the value, which may be a private prompt."""
    path = [str(part) for part in fault["loc"] if part not in ("body", "query", "path")]
    kind, param = str(fault["type"]), ".".join(path) or None
    if kind == "json_invalid":
        reason = fault.get("ctx", {}).get("error", "it cannot be parsed")
        return FieldFault(
            param=None, message=f"the body is not valid JSON: {reason}, at character {path[-1]}"
        )
    if param is None:
        return FieldFault(
            param=None, message="the body must be a JSON object, sent with Content-Type: application/json"
        )
    if kind == "extra_forbidden":
        return FieldFault(param=param, message=f"{param}: unknown field (/docs lists the fields)")
    if kind == "missing":
        return FieldFault(param=param, message=f"{param}: is required")
    text = str(fault["msg"]).removeprefix("Value error, ")
    return FieldFault(param=param, message=f"{param}: {text[0].lower()}{text[1:]}")


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Client Closed Request" if status == 499 else "Error"
