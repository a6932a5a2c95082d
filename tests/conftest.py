"""Fixtures that more than one folder of tests needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgres import Postgres, running_postgres

# A busy machine takes longer over an example than Hypothesis allows; what a test says does not depend on it.
settings.register_profile("imagegen", deadline=None)
settings.load_profile("imagegen")


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random float32 miniature, static shift; `find_model` takes it by path. Read only: copy
    it to change it."""
    from tests.miniature import make_miniature

    return make_miniature(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def packed_checkpoint(tiny_checkpoint: Path) -> Path:
    """The miniature with ternary transformer blocks and an int8 text encoder. `../tiny-dequantized` holds the
    same weights as float32."""
    from tests.miniature import quantize_miniature

    packed = tiny_checkpoint.with_name("tiny-packed")
    quantize_miniature(tiny_checkpoint, packed, tiny_checkpoint.with_name("tiny-dequantized"))
    return packed


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of the tests' own; `url(name)` makes an empty database in it."""
    with running_postgres() as postgres:
        yield postgres


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of photos and weights that is no part of the project; a test that needs it is skipped where
    it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared data beside the repository is absent")
    return folder
