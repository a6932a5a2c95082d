"""kill -9 again and again in the middle of a batch: is every picture there, once, and whole?

    python -m benchmarks.bench_durability          (from the repository's root; --rows 40 --kills 3 to try it)

sqlite      one `imagegen serve` on SQLite; it is killed and started again.
postgres    three workers that share a PostgreSQL; one of them is killed and replaced each time.
restart     the same while PostgreSQL itself is stopped without warning, half-way, and started again.

Each kill comes a random moment after a random number of pictures is done. The programs are those of
tests/jobs/fire.py, which runs a small version in the test suite.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, write_results
from imagegen.settings import Settings, load_settings
from tests.jobs.fire import Outcome, batch_under_fire
from tests.postgres import Postgres, running_postgres


def _settings(folder: str, model: str, url: str | None = None) -> Settings:
    return load_settings(
        data_dir=Path(folder), model=model, device="cpu", threads=1, database_url=url, port=0, audit=False
    )


def _on_sqlite(model: str, rows: int, kills: int) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return batch_under_fire(_settings(folder, model), rows=rows, kills=kills, count=1, servers=True)


def _on_postgres(model: str, rows: int, kills: int, postgres: Postgres, *, restart: bool) -> Outcome:
    restarted: list[int] = []

    def between(done: int) -> None:
        if restart and not restarted and done >= rows // 2:
            restarted.append(done)
            postgres.stop()
            postgres.start()

    with tempfile.TemporaryDirectory() as folder:
        url = postgres.url("restart" if restart else "kills")
        return batch_under_fire(
            _settings(folder, model, url), rows=rows, kills=kills, count=3, between=between
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="starter")
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    results: dict[str, Any] = {"benchmark": "durability", "model": options.model}
    results["machine"] = describe_machine()

    def keep(name: str, outcome: Outcome) -> None:
        results[name] = {**asdict(outcome), "right": outcome.right}
        path = write_results("durability", "cpu", results)  # each at once: the whole takes long
        print(name, json.dumps(results[name]), path, flush=True)

    keep("sqlite", _on_sqlite(options.model, options.rows, options.kills))
    with running_postgres() as postgres:
        keep("postgres", _on_postgres(options.model, options.rows, options.kills, postgres, restart=False))
        keep("restart", _on_postgres(options.model, options.rows, options.kills // 4, postgres, restart=True))


if __name__ == "__main__":
    main()
