"""The OpenAPI document: what FastAPI derives from the routes, and what it cannot know."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from imagegen.http.auth import guarded, scope_of
from imagegen.http.problems import MEDIA_TYPE
from imagegen.http.schemas.edits import ImageEdit
from imagegen.http.schemas.problem import Problem

_MAKES = {"404", "429", "501", "503"}
_MORE = {
    ("post", "/v1/images/generations"): _MAKES,
    ("post", "/v1/images/edits"): _MAKES,
    ("post", "/sdapi/v1/txt2img"): _MAKES,
    ("post", "/sdapi/v1/img2img"): _MAKES,
    ("post", "/sdapi/v1/options"): {"404"},
    ("post", "/v1/jobs"): {"404", "409", "422", "429"},
    ("post", "/v1/batches"): {"404", "409", "422", "429"},
}
"""Errors of single routes, beside those that follow from what a route is."""
_METHODS = {"get", "head", "post", "put", "patch", "delete"}


def install(app: FastAPI, *, keys_required: bool) -> None:
    """Adds to the document: every error is a problem document (FastAPI would promise its own 422), and the
    key."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            _complete(schema, keys_required)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI documents this assignment


def _complete(schema: dict[str, Any], keys_required: bool) -> None:
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components.update(problem.pop("$defs"))
    components["Problem"] = problem
    edit = ImageEdit.model_json_schema(ref_template="#/components/schemas/{model}")
    components.update(edit.pop("$defs"))
    components["ImageEdit"] = edit
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    error = {
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path, operations in schema["paths"].items():
        for method in _METHODS & operations.keys():
            operation = operations[method]
            operation["responses"].pop("422", None)
            for status in _errors(path, method, operation, keys_required):
                operation["responses"].setdefault(status, {**error, "description": _words(status)})
            if keys_required and guarded(path):
                operation["security"] = [{"key": []}]
    if keys_required:
        schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}


def _errors(path: str, method: str, operation: dict[str, Any], keys_required: bool) -> list[str]:
    """Every status of an error that this route may answer with."""
    found = {"500"} | _MORE.get((method, path), set())
    if guarded(path) and keys_required:
        found |= {"401", "403", "429"}
    elif not keys_required:
        found |= {"403"}  # the request names another host, or comes from another site's page
    if operation.get("parameters"):
        found |= {"400"}
    if "{" in path:
        found |= {"404"}
    if "requestBody" in operation:
        found |= {"400", "408", "413"}
        if scope_of(path) == "finish":
            found |= _MAKES
    return sorted(found)


def _words(status: str) -> str:
    return HTTPStatus(int(status)).phrase
