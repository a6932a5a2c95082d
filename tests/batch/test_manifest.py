"""The manifest is whole at every moment."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from imagegen.batch.manifest import COLUMNS, Manifest
from imagegen.batch.outcome import COMPLETED, FAILED, Outcome
from imagegen.errors import OutputNotWritable

DONE = Outcome(1, "a", 'bag, "red"', 'bag,\n"red"', 7, COMPLETED, "a.png", 0.123456)
BAD = Outcome(2, "b", "", "", None, FAILED, error="description: is empty")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_outcome_can_be_read_as_soon_as_it_is_added(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    with Manifest(path) as manifest:
        assert path.read_text() == ",".join(COLUMNS) + "\n"
        manifest.add(DONE)
        (row,) = read(path)
        assert row == {
            "row": "1",
            "id": "a",
            "prompt": 'bag,\n"red"',
            "seed": "7",
            "file": "a.png",
            "status": "completed",
            "seconds": "0.123",
            "error": "",
        }
        manifest.add(BAD)
        assert [line["status"] for line in read(path)] == ["completed", "failed"]
        assert read(path)[1]["error"] == "description: is empty"


def test_an_older_manifest_gives_way(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    for _ in range(2):
        with Manifest(path) as manifest:
            manifest.add(DONE)
    assert len(read(path)) == 1


def test_a_line_that_does_not_fit_on_the_disk_leaves_whole_lines(tmp_path: Path) -> None:
    import resource
    import signal

    path = tmp_path / "manifest.csv"
    with Manifest(path) as manifest:
        manifest.add(DONE)
        whole = path.read_bytes()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 10, limits[1]))
        try:
            with pytest.raises(OutputNotWritable) as refused:
                manifest.add(BAD)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, ignored)
    assert refused.value.field == str(path)
    assert path.read_bytes() == whole
