"""Memory of the device: how much is free, and giving back what is not needed."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


def on_gpu(device: str) -> bool:
    """Whether a model runs on a GPU when `device` is "auto", "cpu" or "cuda"."""
    if device == "cpu":
        return False
    import torch

    return torch.cuda.is_available()


def free_memory(device: str) -> int | None:
    """Bytes that could be had on `device` ("auto", "cpu", "cuda") without harm to others; None where the
    system does not say.

    On a CPU that is what Linux calls available, or less where a container has a limit of its own.
    """
    if on_gpu(device):
        import torch

        free, _ = torch.cuda.mem_get_info()
        return free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    known = [bound for bound in (_available(_MEMINFO), _container_room(_CGROUPS)) if bound is not None]
    return min(known, default=None)


def _available(meminfo: Path) -> int | None:
    try:
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def _container_room(cgroup: Path) -> int | None:
    """Of a container's limit (cgroup version 2) what is left, cached files not counted."""
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        if limit == "max":
            return None
        used = int((cgroup / "memory.current").read_text())
        stat = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
        return max(0, int(limit) - used + int(stat.get("file", 0)))
    except (OSError, ValueError):
        return None


def settle_memory() -> None:
    """Sets aside what is in memory by now, for a process that will serve for long.

    Python's collector looks through everything that lives before it finds a cycle that does not. After the
    imports these are 320,000 objects, and it looks so rarely that 80 MB of garbage came together meanwhile.
    """
    gc.collect()
    gc.freeze()


def release_memory() -> None:
    """What Python and torch hold for later goes back: the device's cache, and on glibc the heap's free end,
    which would otherwise stay with the process though a model of gigabytes has left it."""
    gc.unfreeze()  # what `settle_memory` had set aside may be what shall go
    gc.collect()
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
