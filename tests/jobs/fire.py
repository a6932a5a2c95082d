"""Workers under fire: real processes that make a batch's pictures while `kill -9` meets them again and
again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from imagegen.jobs.job import Job, JobState, Priority, artifact_id
from imagegen.jobs.jobs import Jobs
from imagegen.request import ImageRequest
from imagegen.settings import Settings
from imagegen.store.files import UNFINISHED

# Writes a line for each end that is told; O_APPEND keeps lines of several processes whole.
WORKER = """
import os, signal, sys, threading
from imagegen.jobs.jobs import Jobs
from imagegen.settings import load_settings
from imagegen.studio import Studio
told = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
with Studio(load_settings()) as studio, Jobs(
    studio, shared=True, on_end=lambda job: os.write(told, f"{job.id} {job.state}\\n".encode())
):
    stop.wait()
"""
SERVER = (
    "import sys; from imagegen.cli.app import main; sys.argv = ['imagegen', 'serve', '--port', '0']; main()"
)


@dataclass
class Outcome:
    """What became of a batch under fire."""

    rows: int
    kills: int
    seconds: float
    states: dict[str, int]
    artifacts: int
    broken_artifacts: int
    strange_files: int
    manifest_right: bool
    told_jobs: int | None
    told_more_than_once: int | None

    @property
    def right(self) -> bool:
        """Every row has one picture, whole and its own, each end was told, and nothing else lies about.

        What killed processes were writing does not count: `sweep_unfinished` clears it away an hour later.
        """
        whole = self.artifacts == self.rows and not self.broken_artifacts and not self.strange_files
        told = self.told_jobs in (None, self.rows)
        return whole and told and self.manifest_right and self.states == {"completed": self.rows}


class Workers:
    """`count` processes that carry on; each one killed has a successor at once. Without `told` they are whole
    servers."""

    def __init__(self, settings: Settings, count: int, told: Path | None) -> None:
        values = settings.model_dump(exclude_defaults=True, exclude_none=True)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("IMAGEGEN_")},
            **{f"IMAGEGEN_{name.upper()}": str(value) for name, value in values.items()},
            "OMP_NUM_THREADS": "1",
        }
        self._told = told
        self.processes = [self._start() for _ in range(count)]

    def kill_one(self, chance: random.Random) -> None:
        place = chance.randrange(len(self.processes))
        self.processes[place].send_signal(signal.SIGKILL)
        self.processes[place].wait()
        self.processes[place] = self._start()

    def close(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(120)

    def _start(self) -> subprocess.Popen[bytes]:
        program = [SERVER] if self._told is None else [WORKER, str(self._told)]
        return subprocess.Popen([sys.executable, "-c", *program], env=self._environment)


@contextmanager
def workers(settings: Settings, count: int, told: Path | None) -> Iterator[Workers]:
    running = Workers(settings, count, told)
    try:
        yield running
    finally:
        running.close()


def batch_under_fire(
    settings: Settings,
    *,
    rows: int,
    kills: int,
    count: int,
    servers: bool = False,
    seed: int = 0,
    between: Callable[[int], None] = lambda done: None,
    limit_s: float = 1800,
) -> Outcome:
    """Hands in `rows` jobs, lets `count` workers (or servers) make them and kills one of these `kills` times,
    each time a random moment after a random number of pictures is done. `between(done)` is called at every
    look."""
    chance = random.Random(seed)
    marks = sorted(chance.sample(range(1, rows), kills))
    told = settings.data_dir / "told"
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with Jobs(None, settings) as jobs:
        for i in range(rows):
            request = ImageRequest(f"product number {i}", model=settings.model, seed=i, recipe=None)
            jobs.submit(
                request,
                id=f"row-{i}",
                owner="ab"[i % 2],
                priority=Priority.BATCH,
                batch="fire",
                label=f"SKU-{i}",
                webhook="log",
            )
        killed = 0
        with workers(settings, count, None if servers else told) as running:
            while True:
                states = jobs.counts("fire")
                done = states.get(JobState.COMPLETED, 0)
                between(done)
                while killed < kills and done >= marks[killed]:
                    time.sleep(chance.uniform(0, 0.3))
                    running.kill_one(chance)
                    killed += 1
                ended = sum(n for state, n in states.items() if state.final)
                if ended == rows and (servers or _told(told) >= rows):
                    break
                if time.monotonic() - started > limit_s:
                    break
                time.sleep(0.05)
        seconds = time.monotonic() - started
        states = jobs.counts("fire")
        listed: list[Job] = []
        after = None
        while True:
            page = jobs.list(batch="fire", after=after, limit=200)
            listed += page.jobs
            if (after := page.next) is None:
                break
    expected = {job.artifact for job in listed if job.artifact}
    files = {file.name: file for file in (settings.data_dir / "artifacts").iterdir()}
    lines = Counter() if servers else Counter(line.split()[0] for line in told.read_text().splitlines())
    return Outcome(
        rows=rows,
        kills=killed,
        seconds=round(seconds, 1),
        states={str(state): count for state, count in states.items()},
        artifacts=len(expected & set(files)),
        broken_artifacts=sum(not _whole(files[name]) for name in expected & set(files)),
        strange_files=sum(not UNFINISHED.fullmatch(name) for name in set(files) - expected),
        manifest_right=sorted((job.label, job.seed, job.artifact) for job in listed)
        == sorted((f"SKU-{i}", i, artifact_id(f"row-{i}", "png")) for i in range(rows)),
        told_jobs=None if servers else len(lines),
        told_more_than_once=None if servers else sum(count > 1 for count in lines.values()),
    )


def _told(file: Path) -> int:
    return len({line.split()[0] for line in file.read_text().splitlines()}) if file.exists() else 0


def _whole(file: Path) -> bool:
    try:
        with Image.open(file) as picture:
            picture.load()
    except OSError:
        return False
    return True
