"""kill -9 again and again in the middle of a batch: is every picture there, once, and whole?

    python -m benchmarks.bench_durability          (from the repository's root; --rows 40 --kills 3 to try it)

A CSV goes to POST /v1/batches of a real `imagegen serve`, and what comes of it is read as a client
reads it.

sqlite      the server keeps its jobs in SQLite; it is killed and started again.
postgres    the server and three `imagegen worker` share a PostgreSQL; a worker is killed and replaced
            each time.
restart     the same while PostgreSQL itself is stopped without warning, half-way, and started again.

Each kill comes a random moment after a random number of pictures is done, or soon after the start before.
--only NAME runs one of the three and keeps what the day's file says of the others.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from benchmarks.machine import describe_machine, read_results, write_results
from tests.postgres import Postgres, running_postgres

PROGRAM = "import sys; from imagegen.cli.app import main; sys.exit(main())"
PATIENCE = 60.0  # seconds that a server which was killed may take to answer again
SOON = 3.0  # seconds within which some kills follow the start before


class Program:
    """`imagegen serve` or `imagegen worker`, started again after each kill."""

    def __init__(self, command: str, environment: dict[str, str]) -> None:
        self._command, self._environment = command, environment
        self.url = ""
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-c", PROGRAM, self._command]
        self.process = subprocess.Popen(
            command, env=self._environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        if self._command == "serve":
            assert self.process.stderr is not None
            self.url = next(line.split()[-1] for line in self.process.stderr if "serves" in line)
        threading.Thread(target=self._drain, args=[self.process], daemon=True).start()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start()

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)

    @staticmethod
    def _drain(process: subprocess.Popen[str]) -> None:
        for _ in process.stderr or ():
            pass


@contextmanager
def programs(environment: dict[str, str], workers: int) -> Iterator[tuple[Program, list[Program]]]:
    """A server and so many workers."""
    server = Program("serve", environment)
    others = [Program("worker", environment) for _ in range(workers)]
    try:
        yield server, others
    finally:
        for program in (*others, server):
            program.end()


class Client:
    """Reads from a server that may be down for a while."""

    def __init__(self, server: Program) -> None:
        self._server = server
        self.unexpected: Counter[int] = Counter()

    def get(self, path: str) -> httpx.Response:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                answer = httpx.get(self._server.url + path, timeout=60)
                if answer.status_code == 200:
                    return answer
                self.unexpected[answer.status_code] += 1
            except httpx.HTTPError:
                pass
            if time.monotonic() > until:
                raise TimeoutError(f"no answer to {path} within {PATIENCE:.0f} s")
            time.sleep(0.2)


def under_fire(
    folder: Path,
    model: str,
    rows: int,
    kills: int,
    *,
    workers: int = 0,
    url: str | None = None,
    between: Callable[[int], None] = lambda done: None,
    limit_s: float = 3600,
) -> dict[str, Any]:
    """A batch of so many rows while the server (without workers), or one of the workers, is killed; what came
    of it. `between(done)` is called at every look."""
    settings = {"data_dir": folder, "model": model, "device": "cpu", "threads": 1, "port": 0}
    if url is not None:
        settings["database_url"] = url
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IMAGEGEN_")}
    environment |= {f"IMAGEGEN_{name.upper()}": str(value) for name, value in settings.items()}
    environment["OMP_NUM_THREADS"] = "1"
    chance = random.Random(rows)
    marks = sorted(chance.sample(range(1, rows), kills))
    text = "id,description\n" + "".join(f"p{n},Leather bag number {n}\n" for n in range(rows))
    seen, killed, started = [0], 0, time.monotonic()
    with programs(environment, workers) as (server, others):
        client = Client(server)
        handed_in = httpx.post(f"{server.url}/v1/batches", files={"file": ("shop.csv", text)}, timeout=120)
        id, total = handed_in.json()["id"], handed_in.json()["total"]
        while True:
            batch = client.get(f"/v1/batches/{id}").json()
            seen.append(batch["completed"])
            between(batch["completed"])
            if killed < kills and batch["completed"] >= marks[killed]:
                time.sleep(chance.uniform(0, 0.3))
                (chance.choice(others) if others else server).kill()
                killed += 1
                if killed < kills and chance.random() < 0.25:  # some do not even come to work
                    time.sleep(chance.uniform(0, SOON))
                    (chance.choice(others) if others else server).kill()
                    killed += 1
            if batch["status"] != "running" or time.monotonic() - started > limit_s:
                break
            time.sleep(0.1)
        seconds = time.monotonic() - started
        manifest = client.get(f"/v1/batches/{id}/manifest.csv").text
        archive = client.get(f"/v1/batches/{id}/archive.zip").content
        jobs = _jobs(client, id)
    result = {
        "rows": rows,
        "handed_in": {"status": handed_in.status_code, "total": total},
        "kills": killed,
        "seconds": round(seconds, 1),
        "batch": {name: batch[name] for name in ("status", "total", "completed", "failed")},
        "completed_never_went_back": seen == sorted(seen),
        "job_states": dict(Counter(job["status"] for job in jobs)),
        "unexpected_statuses": dict(client.unexpected),
        **_files(folder, id, rows, manifest, archive, jobs),
    }
    return {**result, "right": _right(result)}


def _jobs(client: Client, id: str) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = []
    after = ""
    while True:
        page = client.get(f"/v1/jobs?batch={id}&limit=200{after}").json()
        jobs += page["data"]
        if not page["has_more"]:
            return jobs
        after = f"&after={page['next']}"


def _files(
    folder: Path, id: str, rows: int, manifest: str, archive: bytes, jobs: list[dict[str, Any]]
) -> dict[str, Any]:
    """What lies there, against what should."""
    out = folder / "batches" / id / "out"
    pictures = sorted(path.name for path in out.glob("*.png"))
    wanted = [f"p{n}.png" for n in range(rows)]
    lines = list(csv.DictReader(io.StringIO(manifest)))
    told = [(line["id"], line["file"], line["status"]) for line in lines]
    artifacts = [path for path in (folder / "artifacts").iterdir() if not path.name.startswith(".")]
    zipped = zipfile.ZipFile(io.BytesIO(archive))
    return {
        "pictures": len(pictures),
        "missing": len(set(wanted) - set(pictures)),
        "broken": sum(not _whole(out / name) for name in pictures),
        "strange_files": len(set(pictures) - set(wanted)),
        "artifacts": len(artifacts),
        "half_written": sum(path.name.startswith(".") for path in (folder / "artifacts").iterdir()),
        "seeds": len({line["seed"] for line in lines}),
        "jobs": len({job["id"] for job in jobs}),
        "manifest_right": told == [(f"p{n}", f"p{n}.png", "completed") for n in range(rows)],
        "archive_right": zipped.testzip() is None
        and sorted(name for name in zipped.namelist() if name.endswith(".png")) == sorted(wanted),
    }


def _right(result: dict[str, Any]) -> bool:
    """Every row has one picture, whole, and nothing else lies about. Half-written files of killed processes
    are hidden and swept an hour later."""
    rows = result["rows"]
    return (
        result["batch"] == {"status": "completed", "total": rows, "completed": rows, "failed": 0}
        and result["job_states"] == {"completed": rows}
        and result["pictures"] == result["artifacts"] == result["jobs"] == rows
        and not (result["missing"] or result["broken"] or result["strange_files"])
        and all(result[name] for name in ("manifest_right", "archive_right", "completed_never_went_back"))
    )


def _whole(file: Path) -> bool:
    try:
        with Image.open(file) as picture:
            picture.load()
    except OSError:
        return False
    return True


def _restarting(postgres: Postgres, rows: int, times: list[float]) -> Callable[[int], None]:
    def between(done: int) -> None:
        if not times and done >= rows // 2:
            times.append(done)
            postgres.stop()
            time.sleep(2)
            postgres.start()

    return between


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="starter")
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--kills", type=int, default=20)
    names = ("sqlite", "postgres", "restart")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    options = parser.parse_args()
    results = read_results("durability", "cpu") if tuple(options.only) != names else {}
    results |= {"benchmark": "durability", "model": options.model, "machine": describe_machine()}
    rows, kills = options.rows, options.kills

    def keep(name: str, run: Callable[[Path], dict[str, Any]]) -> None:
        if name not in options.only:
            return
        with tempfile.TemporaryDirectory() as folder:
            results[name] = run(Path(folder))
        path = write_results("durability", "cpu", results)  # each at once: the whole takes long
        print(name, json.dumps(results[name]), path, flush=True)

    keep("sqlite", lambda folder: under_fire(folder, options.model, rows, kills))
    if set(options.only) == {"sqlite"}:
        return
    with running_postgres() as postgres:
        shared = {"model": options.model, "rows": rows, "workers": 3}
        keep(
            "postgres",
            lambda folder: under_fire(folder, kills=kills, url=postgres.url("kills"), **shared),
        )
        times: list[float] = []
        keep(
            "restart",
            lambda folder: {
                **under_fire(
                    folder,
                    kills=max(1, kills // 4),
                    url=postgres.url("restart"),
                    between=_restarting(postgres, rows, times),
                    **shared,
                ),
                "postgres_restarts": len(times),
            },
        )


if __name__ == "__main__":
    main()
