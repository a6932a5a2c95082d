"""The manifest is whole at every moment."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from imagegen.batch.manifest import COLUMNS, Manifest
from imagegen.batch.outcome import COMPLETED, FAILED, MadeFile, Outcome
from imagegen.errors import OutputNotWritable

DONE = Outcome(
    1,
    2,
    "a",
    "A-1",
    'bag, "red"',
    'bag,\n"red"',
    COMPLETED,
    seed=7,
    files=(MadeFile("a.png"),),
    seconds=0.123456,
    warnings=("damaged",),
    notes=("resampled",),
)
BAD = Outcome(2, 4, "b", "", "", "", FAILED, error="description: is empty")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_outcome_can_be_read_as_soon_as_it_is_added(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    with Manifest(path, path.with_suffix(".jsonl")) as manifest:
        assert path.read_text() == ",".join(COLUMNS) + "\n"
        manifest.add(DONE)
        (row,) = read(path)
        assert row == {
            "row": "1",
            "line": "2",
            "id": "a",
            "sku": "A-1",
            "color": "",
            "number": "1",
            "preset": "",
            "file": "a.png",
            "status": "completed",
            "prompt": 'bag,\n"red"',
            "seed": "7",
            "seconds": "0.123",
            "warnings": "damaged | resampled",
            "error": "",
        }
        manifest.add(BAD)
        assert [line["status"] for line in read(path)] == ["completed", "failed"]
        assert read(path)[1]["error"] == "description: is empty"
        done, bad = map(json.loads, path.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines())
        assert list(done) == list(COLUMNS) == list(bad)
        assert (done["seed"], done["warnings"], done["error"]) == (7, ["damaged", "resampled"], None)
        assert (bad["file"], bad["seed"], bad["error"]) == (None, None, "description: is empty")


def test_an_older_manifest_gives_way(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    for _ in range(2):
        with Manifest(path, path.with_suffix(".jsonl")) as manifest:
            manifest.add(DONE)
    assert len(read(path)) == 1


def test_a_line_that_does_not_fit_on_the_disk_leaves_whole_lines(tmp_path: Path) -> None:
    import resource
    import signal

    path = tmp_path / "manifest.csv"
    with Manifest(path, path.with_suffix(".jsonl")) as manifest:
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


def test_each_file_of_a_picture_has_a_line(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    files = (MadeFile("amazon/a.jpg", "amazon"), MadeFile("etsy/a.jpg", "etsy"))
    with Manifest(path, tmp_path / "manifest.jsonl") as manifest:
        manifest.add(replace(DONE, files=files, color="Red"))
    assert [(line["preset"], line["file"], line["color"]) for line in read(path)] == [
        ("amazon", "amazon/a.jpg", "Red"),
        ("etsy", "etsy/a.jpg", "Red"),
    ]
    assert len((tmp_path / "manifest.jsonl").read_text().splitlines()) == 2
