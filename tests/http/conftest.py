"""One studio on the miniature, one server in front of it, and the real openai client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from imagegen import Settings, Studio
from imagegen.settings import load_settings
from tests.http.live_server import serving


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Settings:
    return load_settings(data_dir=tmp_path_factory.mktemp("data"), device="cpu", model=str(tiny_checkpoint))


@pytest.fixture(scope="session")
def studio(settings: Settings) -> Iterator[Studio]:
    with Studio(settings) as studio:
        yield studio


@pytest.fixture(scope="session")
def server(studio: Studio, settings: Settings) -> Iterator[str]:
    with serving(studio, settings) as url:
        yield url


@pytest.fixture(scope="session")
def http(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, timeout=60) as client:
        yield client


@pytest.fixture
def client(server: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server}/v1", api_key="none needed", max_retries=0) as client:
        yield client
