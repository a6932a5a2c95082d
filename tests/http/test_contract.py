"""The OpenAPI document against the server: schemathesis asks for what it promises, and for the contrary.

Whatever is sent, no answer is a 5xx, has a status that the document does not name for the route, or a body
that is not of the promised form. CONTRACT_EXAMPLES sets how many requests a route gets.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as fuzz
from schemathesis import checks

from imagegen import Settings, Studio
from imagegen.http.durable import durable
from imagegen.settings import load_settings
from tests.http.live_server import serving

EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "5"))
CHECKED = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


@pytest.fixture(scope="module")
def document(studio: Studio, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("contract")
    own = load_settings(**{**settings.model_dump(), "data_dir": folder})
    with durable(studio, own) as lasting, serving(studio, own, lasting) as url:
        yield schemathesis.openapi.from_url(f"{url}/openapi.json")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")  # schemathesis's own
def test_the_server_keeps_its_promises(document: Any) -> None:
    for found in document.get_all_operations():
        operation = found.ok()

        @fuzz(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def keeps(case: Any) -> None:
            cheaper(case.body)
            case.validate_response(case.call(timeout=60), checks=CHECKED)

        keeps()


def cheaper(body: Any) -> None:
    """A picture of 100 steps and 8192 pixels a side is a promise too, and takes its time."""
    if not isinstance(body, dict):
        return
    for name, most in (
        ("steps", 2),
        ("n", 2),
        ("batch_size", 2),
        ("n_iter", 1),
        ("width", 300),
        ("height", 300),
    ):
        value = body.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and most < value <= 8192:
            body[name] = most
    if body.get("quality") in ("xhigh", "max"):
        body["quality"] = "low"
