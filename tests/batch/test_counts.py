"""How far a batch is, read in the manifest that it has written so far."""

from __future__ import annotations

from pathlib import Path

from imagegen.batch.counts import Counts, counted
from imagegen.batch.manifest import Manifest
from imagegen.batch.outcome import COMPLETED, FAILED, MadeFile, Outcome


def outcome(row: int, status: str, *files: str, number: int = 1) -> Outcome:
    made = tuple(MadeFile(file) for file in files)
    return Outcome(row, row, f"p{row}", "", "Bag", "bag", status, number=number, files=made)


def test_a_manifest_counts_as_those_who_wrote_it_did(tmp_path: Path) -> None:
    outcomes = [
        outcome(1, COMPLETED, "a-amazon.jpg", "a-shopify.png"),
        outcome(1, COMPLETED, "b-amazon.jpg", "b-shopify.png", number=2),
        outcome(2, FAILED),
        outcome(3, COMPLETED, "c-amazon.jpg", "c-shopify.png"),
    ]
    counts = Counts()
    with Manifest(tmp_path / "manifest.csv", tmp_path / "manifest.jsonl") as manifest:
        for each in outcomes:
            manifest.add(each)
            counts.add(each)
    assert counted(tmp_path / "manifest.jsonl") == counts == Counts(completed=3, failed=1)


def test_a_line_that_a_crash_cut_off_is_no_picture(tmp_path: Path) -> None:
    file = tmp_path / "manifest.jsonl"
    assert counted(file) == Counts()
    with Manifest(tmp_path / "manifest.csv", file) as manifest:
        manifest.add(outcome(1, COMPLETED, "a.png"))
        manifest.add(outcome(2, COMPLETED, "b.png"))
    file.write_bytes(file.read_bytes()[:-9])
    assert counted(file) == Counts(completed=1)
