from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

from imagegen.engine import memory
from imagegen.engine.memory import free_memory, on_gpu, release_memory, settle_memory


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Linux with 8 GB available, and no container."""
    (tmp_path / "meminfo").write_text("MemTotal: 16000000 kB\nMemAvailable:    8000000 kB\n")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    return tmp_path


def limit(machine: Path, most: str, used: int, cached: int) -> None:
    (machine / "memory.max").write_text(f"{most}\n")
    (machine / "memory.current").write_text(f"{used}\n")
    (machine / "memory.stat").write_text(f"anon {used - cached}\nfile {cached}\nkernel 0\n")


def test_free_is_what_linux_calls_available(machine: Path) -> None:
    assert free_memory("cpu") == 8_192_000_000
    limit(machine, "max", 5, 0)
    assert free_memory("cpu") == 8_192_000_000


def test_a_containers_limit_counts_without_its_cached_files(machine: Path) -> None:
    limit(machine, "3000000000", 2_500_000_000, 500_000_000)
    assert free_memory("cpu") == 1_000_000_000
    limit(machine, "1000", 2_000_000, 0)
    assert free_memory("cpu") == 0


@pytest.mark.parametrize("content", ["", "MemAvailable: much kB\n", None])
def test_unknown_where_the_system_does_not_say(machine: Path, content: str | None) -> None:
    (machine / "meminfo").unlink()
    if content is not None:
        (machine / "meminfo").write_text(content)
    assert free_memory("cpu") is None


def test_a_cpu_is_no_gpu() -> None:
    assert not on_gpu("cpu")
    release_memory()


class Knot:
    """Part of a cycle: only the collector can free it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_set_aside_goes_when_memory_is_given_back() -> None:
    knot = Knot()
    gone = weakref.ref(knot)
    try:
        settle_memory()
        del knot
        gc.collect()
        assert gone() is not None  # the collector does not look there any more
        release_memory()
        assert gone() is None
    finally:
        gc.unfreeze()
