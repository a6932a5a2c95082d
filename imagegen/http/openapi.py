"""The OpenAPI document: what FastAPI derives from the routes, and what it cannot know."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from imagegen.http.auth import GUARDED
from imagegen.http.problems import MEDIA_TYPE
from imagegen.http.schemas.problem import Problem

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
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    error = {
        "description": "Any error",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path, operations in schema["paths"].items():
        for method in _METHODS & operations.keys():
            operation = operations[method]
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = error
            if keys_required and path.startswith(GUARDED):
                operation["security"] = [{"key": []}]
    if keys_required:
        schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
