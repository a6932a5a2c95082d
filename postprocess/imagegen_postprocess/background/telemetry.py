"""What keeps onnxruntime from telling its maker about us."""

from __future__ import annotations

import os


def forbid_telemetry() -> None:
    """To be called before onnxruntime is imported.

    Its Linux wheels (seen in 1.31.1) write a device id and a queue of events below ~/.cache/Microsoft as soon
    as a network is loaded, and send them over HTTPS. `onnxruntime.disable_telemetry_events()` does not keep
    the files away (tried); this variable does. Whoever has set it himself is listened to.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
