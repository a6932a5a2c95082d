"""Pictures that were made already: the same request gives the same pixels, so they need not be made again.

In memory only, by the content of the request, and off unless the owner of the machine asks for it. What was
made of somebody's photos is not kept.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from imagegen.engine.queue import Generation

if TYPE_CHECKING:
    import numpy as np

    from imagegen.engine.plan import Plan


class PictureCache:
    """Thread-safe; holds at most `size` bytes of pixels and lets go what was not asked for the longest."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._lock = threading.Lock()
        self._pictures: OrderedDict[bytes, tuple[np.ndarray, tuple[str, ...]]] = OrderedDict()

    def get(self, plan: Plan) -> Generation | None:
        if plan.request.photos:
            return None
        key = _key(plan)
        with self._lock:
            if (found := self._pictures.get(key)) is None:
                return None
            self._pictures.move_to_end(key)
        pixels, warnings = found
        return Generation(plan, pixels, {}, plan.warnings + warnings)

    def put(self, generation: Generation) -> None:
        """Keeps a picture, unless it is larger than the cache or of a photo; its pixels cannot be changed any
        more."""
        pixels, plan = generation.pixels, generation.plan
        if pixels.nbytes > self._size or plan.request.photos:
            return
        pixels.flags.writeable = False
        with self._lock:
            self._drop(_key(plan))
            self._pictures[_key(plan)] = (pixels, generation.warnings[len(plan.warnings) :])
            self._held += pixels.nbytes
            while self._held > self._size:
                self._drop(next(iter(self._pictures)))

    def drop(self, plan: Plan) -> None:
        with self._lock:
            self._drop(_key(plan))

    def __len__(self) -> int:
        return len(self._pictures)

    def _drop(self, key: bytes) -> None:
        if (found := self._pictures.pop(key, None)) is not None:
            self._held -= found[0].nbytes


def _key(plan: Plan) -> bytes:
    """All that the model's pixels follow from; finishing comes later and does not count."""
    card, request = plan.card, plan.request
    parts = (str(card.path), card.revision, request.prompt, request.seed, plan.width, plan.height, plan.steps)
    return hashlib.sha256(json.dumps(parts).encode()).digest()
