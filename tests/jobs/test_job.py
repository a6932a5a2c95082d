"""A request survives the database."""

from __future__ import annotations

import json

import pytest

from imagegen.errors import InvalidRequest
from imagegen.jobs.job import from_record, to_record
from imagegen.request import ImageRequest
from imagegen_postprocess import Recipe


@pytest.mark.parametrize(
    "request_",
    [
        ImageRequest("tênis azul"),
        ImageRequest("bag", model="other", width=128, height=96, steps=2, seed=7, recipe=None),
        ImageRequest("bag", recipe=Recipe(background="#ff0000", fill=0.5)),
    ],
)
def test_a_request_comes_back_from_its_record(request_: ImageRequest) -> None:
    assert from_record(json.loads(json.dumps(to_record(request_)))) == request_


def test_a_record_that_was_changed_is_checked_again() -> None:
    with pytest.raises(InvalidRequest):
        from_record({**to_record(ImageRequest("bag")), "steps": 0})
