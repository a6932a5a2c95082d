"""Runs compiled code on the threads that PyTorch's own operators use.

Other threads would fight with those for the processor: a thread of an OpenMP pool that has nothing to do
waits for its next work by spinning, for milliseconds.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

JOB = 24
"""int64 numbers a job has at most."""


def run(code: int, rows: int, each: int, *arguments: int | float | Tensor) -> None:
    """Run the compiled pass at address `code` (cpu_kernels, passes) over `rows` rows, `each` of them at a
    time.

    A tensor is handed on as its address, a float as the bits of a float64; nobody checks that a tensor lies
    in memory as the pass expects it.
    """
    job = (ctypes.c_int64 * JOB)()
    job[0], job[1], job[2] = ctypes.addressof(job) + 8 * 3, rows, each  # where the next row is counted
    for place, argument in enumerate(arguments, start=4):
        if isinstance(argument, Tensor):
            argument = argument.data_ptr()
        elif isinstance(argument, float):
            (argument,) = struct.unpack("q", struct.pack("d", argument))
        job[place] = argument
    start = _parallel()
    threads = min(torch.get_num_threads(), -(-rows // each))
    if start is None or threads < 2:
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code)(ctypes.addressof(job))
    else:
        start(code, ctypes.addressof(job), threads, 0)


@functools.cache
def _parallel() -> Callable[[int, int, int, int], None] | None:
    """GOMP_parallel(function, data, threads, flags) of the OpenMP that PyTorch's Linux wheels bring; None
    elsewhere, where a pass runs on the calling thread."""
    library = Path(torch.__file__).parent / "lib" / "libgomp.so.1"
    if not library.is_file():
        return None
    start = ctypes.CDLL(str(library)).GOMP_parallel
    start.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    start.restype = None
    return start
