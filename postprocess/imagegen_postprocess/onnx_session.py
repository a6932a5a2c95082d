"""The way to onnxruntime: without its telemetry, with little memory, on the device that is there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from imagegen_postprocess.errors import DependencyMissing


def forbid_telemetry() -> None:
    """To be called before onnxruntime is imported.

    Its Linux wheels (seen in 1.31.1) write a device id and a queue of events below ~/.cache/Microsoft as soon
    as a network is loaded, and send them over HTTPS. `onnxruntime.disable_telemetry_events()` does not keep
    the files away (tried); this variable does. Whoever has set it himself is listened to.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def open_session(file: Path, threads: int, *, user: str, field: str, instead: str) -> Any:
    """A session of a network's file; `threads` 0 leaves their number to onnxruntime.

    Raises DependencyMissing naming `field` where onnxruntime is not installed: `user` is what needs it,
    `instead` what can be done without. A file that does not load raises onnxruntime's own errors, which share
    no base below Exception.
    """
    forbid_telemetry()
    try:
        import onnxruntime
    except ImportError as error:
        raise DependencyMissing(
            f"{user} onnxruntime: {error}",
            field=field,
            hint=f"Install imagegen[cpu] or imagegen[gpu], or {instead}",
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # the arena keeps its largest size for good
    # Without the arena a plan for one block for all tensors is a block of tens of megabytes that the system
    # gives and takes back, page by page, at every run: 114 instead of 92 ms for the network before sheets
    # (448x448, two Zen 3 cores).
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads sleep
    options.log_severity_level = 3
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    available = onnxruntime.get_available_providers()
    providers = [provider for provider in wanted if provider in available]
    return onnxruntime.InferenceSession(str(file), options, providers=providers)
