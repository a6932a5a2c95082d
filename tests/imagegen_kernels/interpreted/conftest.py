"""The GPU kernels in Triton's interpreter, on the CPU: only in a process of its own, with TRITON_INTERPRET=1
(test_interpreter.py starts one), because Triton decides for good when it is imported."""

import os

import pytest

from imagegen_kernels import card

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
collect_ignore_glob = [] if INTERPRETED else ["test_*.py"]


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles that leave a ragged edge of tests' small shapes."""
    monkeypatch.setattr(
        card, "tile", lambda product, device: card.Tile(tokens=16, rows=32, warps=4, stages=2)
    )
