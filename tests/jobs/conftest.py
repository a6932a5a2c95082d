"""A studio on the miniature, for jobs in a database of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagegen.request import ImageRequest
from imagegen.settings import Settings, load_settings
from imagegen.studio import Studio


@pytest.fixture(scope="package")
def studio(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Iterator[Studio]:
    data = tmp_path_factory.mktemp("data")
    with Studio(load_settings(data_dir=data, device="cpu", threads=1, model=str(tiny_checkpoint))) as studio:
        yield studio


@pytest.fixture
def settings(studio: Studio, tmp_path: Path) -> Settings:
    """The studio's, with an empty database."""
    return studio.settings.model_copy(update={"data_dir": tmp_path / "data"})


@pytest.fixture
def ask(studio: Studio) -> Callable[..., ImageRequest]:
    def ask(prompt: str = "red bag", **options: object) -> ImageRequest:
        return ImageRequest(prompt, model=studio.settings.model, recipe=None, **{"seed": 3, **options})  # type: ignore[arg-type]

    return ask
