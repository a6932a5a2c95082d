"""The models that a request may name."""

from __future__ import annotations

import openai
import pytest


def test_the_client_lists_and_retrieves_models(client: openai.OpenAI) -> None:
    listed = client.models.list().data
    assert "tiny" in [model.id for model in listed]
    for model in listed:
        assert client.models.retrieve(model.id) == model
        assert (model.model_extra or {})["imagegen"]["steps"] >= 1


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refusal:
        client.models.retrieve("gpt-image-2")
    assert refusal.value.code == "model_not_found"
