"""kill -9 in the middle of a batch: every row has its picture, once. benchmarks/bench_durability.py does the
same at length."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegen.settings import Settings
from tests.jobs.fire import batch_under_fire
from tests.postgres import Postgres


@pytest.mark.slow
def test_a_killed_worker_on_sqlite_goes_on_where_it_was(settings: Settings) -> None:
    outcome = batch_under_fire(settings, rows=24, kills=2, count=1)
    assert outcome.right, outcome
    assert outcome.kills >= 1  # a quick machine may be through before the second


@pytest.mark.slow
def test_workers_share_a_postgres_and_take_over_from_each_other(
    settings: Settings, postgres: Postgres, tmp_path: Path
) -> None:
    shared = settings.model_copy(update={"database_url": postgres.url("fire"), "data_dir": tmp_path / "data"})
    restarted: list[int] = []

    def restart(done: int) -> None:
        if done >= 8 and not restarted:
            restarted.append(done)
            postgres.stop()
            postgres.start()

    outcome = batch_under_fire(shared, rows=24, kills=1, count=2, between=restart)
    assert outcome.right, outcome
    assert restarted
