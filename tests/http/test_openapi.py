"""The document promises what the server does."""

from __future__ import annotations

from typing import Any

import httpx

from imagegen import Settings, Studio
from imagegen.http.app import create_app
from imagegen.settings import load_settings


def test_the_document_names_every_field_and_our_own_errors(http: httpx.Client) -> None:
    document: dict[str, Any] = http.get("/openapi.json").json()
    fields = document["components"]["schemas"]["ImageGeneration"]["properties"]
    assert {"prompt", "n", "size", "background", "seed", "recipe"} <= fields.keys()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    for operation in operations:
        assert "422" not in operation["responses"]
        assert {"403", "500"} <= operation["responses"].keys()
        (reference,) = operation["responses"]["500"]["content"].values()
        assert reference["schema"]["$ref"].rpartition("/")[2] in document["components"]["schemas"]
        assert "security" not in operation


def test_with_keys_the_document_says_where_one_is_needed(studio: Studio, settings: Settings) -> None:
    keyed = load_settings(**{**settings.model_dump(), "api_keys": ("k",)})
    document = create_app(studio, keyed).openapi()
    assert document["paths"]["/v1/models"]["get"]["security"] == [{"key": []}]
    assert {"401", "429"} <= document["paths"]["/v1/models"]["get"]["responses"].keys()
    assert "security" not in document["paths"]["/healthz"]["get"]
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
