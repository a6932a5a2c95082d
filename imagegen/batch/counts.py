"""How far a batch is: counted as it goes, or read in the manifest of one that was cut short."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagegen.batch.outcome import COMPLETED, Outcome


@dataclass(slots=True)
class Counts:
    """Pictures by what became of them; `warned` are those of texts that were damaged before they came."""

    completed: int = 0
    failed: int = 0
    warned: int = 0

    @property
    def ended(self) -> int:
        return self.completed + self.failed

    def add(self, outcome: Outcome) -> None:
        if outcome.status == COMPLETED:
            self.completed += 1
        else:
            self.failed += 1
        self.warned += bool(outcome.warnings)


def counted(jsonl: Path) -> Counts:
    """Completed and failed pictures as a manifest's JSON lines have them; none where there is no manifest.

    A picture has a line for each of its files, one after the other. A last line that a crash cut off is left
    out, and warnings are not told from notes.
    """
    counts, last = Counts(), None
    for entry in _entries(jsonl):
        picture = (entry["row"], entry["color"], entry["number"])
        if picture == last:
            continue
        last = picture
        if entry["status"] == COMPLETED:
            counts.completed += 1
        else:
            counts.failed += 1
    return counts


def _entries(jsonl: Path) -> Iterator[dict[str, Any]]:
    try:
        with jsonl.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield json.loads(line)
    except FileNotFoundError:
        return
