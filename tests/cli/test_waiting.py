from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from imagegen.cli.waiting import SPINS, wait_briefly


@pytest.mark.skipif(
    not (Path(torch.__file__).parent / "lib" / "libgomp.so.1").is_file(), reason="this PyTorch has no libgomp"
)
def test_libgomp_hears_of_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from imagegen.cli.app import main; main(); import torch", "--version"],
        env={name: value for name, value in os.environ.items() if "OMP_" not in name}
        | {"OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"GOMP_SPINCOUNT = '{SPINS}'" in done.stderr


@pytest.mark.parametrize("said", ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"])
def test_what_the_owner_has_said_stays(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(said, "7")
    wait_briefly()
    assert {name: os.environ.get(name) for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")} == {
        "GOMP_SPINCOUNT": None,
        "OMP_WAIT_POLICY": None,
    } | {said: "7"}
