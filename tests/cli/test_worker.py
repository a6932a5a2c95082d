"""A worker process: takes jobs, and told to stop, ends what it has begun and leaves the rest to others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from imagegen.jobs.job import JobState
from imagegen.jobs.jobs import Jobs
from imagegen.request import ImageRequest
from imagegen.settings import load_settings

ENTRY = "import sys; from imagegen.cli.app import main; sys.exit(main())"


@pytest.mark.slow
def test_a_worker_that_is_told_to_stop_ends_what_it_has_begun(
    environment: dict[str, str], tmp_path: Path, tiny_checkpoint: Path
) -> None:
    with Jobs(None, load_settings(data_dir=tmp_path / "data")) as jobs:
        asked = [
            jobs.submit(ImageRequest("bag", model=str(tiny_checkpoint), seed=i, steps=50, recipe=None)).id
            for i in range(9)
        ]
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", ENTRY, "worker"],
            env={**os.environ, **environment, "IMAGEGEN_MAX_BATCH": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        while jobs.wait(asked[0], timeout=0.05).state is JobState.QUEUED:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
        states = [job.state for job in (jobs.get(id) for id in asked) if job is not None]
    # An older CPU's log says that it has no 8-bit dot product.
    said = [line for line in err.splitlines() if "8-bit dot product" not in line]
    assert (process.returncode, said) == (0, ["imagegen worker takes jobs"])
    assert set(states) <= {JobState.COMPLETED, JobState.QUEUED}
    assert states[:1] == [JobState.COMPLETED]
    assert len(states) == len(asked)
