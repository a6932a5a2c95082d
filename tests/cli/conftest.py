"""The command line in this process: `imagegen("generate", ...)` as a shell would run it, and its streams."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imagegen.cli.app import main


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one line on standard output, of a run with --json."""
        (line,) = self.out.splitlines()
        return json.loads(line)


Run = Callable[..., Ended]


@pytest.fixture
def environment(tmp_path: Path, tiny_checkpoint: Path) -> dict[str, str]:
    return {
        "IMAGEGEN_MODEL": str(tiny_checkpoint),
        "IMAGEGEN_DATA_DIR": str(tmp_path / "data"),
        "IMAGEGEN_DEVICE": "cpu",
        "IMAGEGEN_THREADS": "1",
    }


@pytest.fixture
def imagegen(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["imagegen", *map(str, arguments)])
        code = main()
        streams = capsys.readouterr()
        return Ended(code, streams.out, streams.err)

    return run
