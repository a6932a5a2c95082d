"""Which implementation each op takes on a device. Importing this module does not import torch."""

from __future__ import annotations

from importlib import import_module

from imagegen_kernels import OPS


def describe(device: str = "cpu") -> list[tuple[str, str, str]]:
    """(op, implementation, why) of every op on `device`, as this machine would choose it now.

    `device` is "cpu" or "cuda" (need not be present); ValueError for others.
    """
    if device not in ("cpu", "cuda"):
        raise ValueError(f"unknown device {device!r}: choose cpu or cuda")
    return [(op, *import_module(f"imagegen_kernels.{op}").implementation(device)) for op in OPS]
