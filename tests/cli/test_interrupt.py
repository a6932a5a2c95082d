"""Ctrl-C and kill -9 in the middle of real processes: nothing half-written, and a batch goes on."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

# A shell starts what runs in its background with Ctrl-C ignored, and children inherit that: as at a terminal.
LISTEN = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
ENTRY = LISTEN + "from imagegen.cli.app import main; sys.exit(main())"


def stop_while_generating(
    environment: dict[str, str], number: int, *arguments: str | Path
) -> tuple[int, str]:
    """Runs `imagegen` with a terminal for its standard error, sends the signal as soon as the progress bar
    says that it generates, and returns the exit code and all that the terminal showed."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", ENTRY, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, **environment, "TERM": "xterm"},
    )
    os.close(theirs)
    shown = b""
    try:
        while True:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # the process has closed its terminal
                break
            if number and b"Generating" in shown:
                process.send_signal(number)
                number = 0
    finally:
        os.close(ours)
        process.wait()
    return process.returncode, shown.decode(errors="replace")


def check_whole(folder: Path) -> None:
    """Every file is what its name says, to its end."""
    for file in folder.iterdir():
        if file.suffix == ".png":
            with Image.open(file) as picture:
                picture.load()
        else:
            assert file.name in ("manifest.csv", "manifest.jsonl", "gallery.html")


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    file = tmp_path / "products.csv"
    file.write_text("id,description\n" + "".join(f"p{i},Product number {i}\n" for i in range(400)))
    return file


def test_ctrl_c_while_generating_leaves_no_file(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "out" / "bag.png"
    code, shown = stop_while_generating(
        environment, signal.SIGINT, "generate", "red bag", "-o", file, "--steps", "100", "--n", "8"
    )
    assert code == 130
    assert "imagegen: stopped" in shown
    assert "Traceback" not in shown
    assert not file.parent.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_batch_goes_on_where_it_was(
    imagegen: Callable[..., Any],
    environment: dict[str, str],
    catalogue: Path,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    out = tmp_path / "out"
    code, shown = stop_while_generating(environment, number, "batch", catalogue, "--out", out)
    assert code == (130 if number is signal.SIGINT else -number)
    assert "Traceback" not in shown
    if number is signal.SIGINT:
        check_whole(out)
    with (out / "manifest.csv").open(newline="") as file:
        done = list(csv.DictReader(file))
    assert 1 <= len(done) < 400
    assert {row["status"] for row in done} == {"completed"}
    made = {out / row["file"]: (out / row["file"]).stat().st_mtime_ns for row in done}
    ended = imagegen("batch", catalogue, "--out", out, "--limit", str(len(done) + 2), "--json")
    assert ended.code == 0
    assert ended.json()["completed"] == len(done) + 2
    assert {path: path.stat().st_mtime_ns for path in made} == made
    check_whole(out)
