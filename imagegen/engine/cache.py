"""Pictures that were made already: the same request gives the same pixels, so they need not be made again.

In memory only, by the content of the request, and off unless the owner of the machine asks for it. What was
made of somebody's photos is not kept.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from imagegen.engine.queue import Generation
from imagegen.store.bounded import Bounded

if TYPE_CHECKING:
    import numpy as np

    from imagegen.engine.plan import Plan


class PictureCache:
    """Thread-safe; holds at most `size` bytes of pixels and lets go what was not asked for the longest."""

    def __init__(self, size: int) -> None:
        self._kept: Bounded[tuple[np.ndarray, tuple[str, ...]]] = Bounded(size)

    def get(self, plan: Plan) -> Generation | None:
        if plan.request.photos or (found := self._kept.get(_key(plan))) is None:
            return None
        pixels, warnings = found
        return Generation(plan, pixels, {}, plan.warnings + warnings)

    def put(self, generation: Generation) -> None:
        """Keeps a picture, unless it is larger than the cache or of a photo; its pixels cannot be changed any
        more."""
        pixels, plan = generation.pixels, generation.plan
        if not plan.request.photos:
            pixels.flags.writeable = False
            self._kept.put(_key(plan), (pixels, generation.warnings[len(plan.warnings) :]), pixels.nbytes)

    def drop(self, plan: Plan) -> None:
        self._kept.drop(_key(plan))

    def __len__(self) -> int:
        return len(self._kept)


def _key(plan: Plan) -> bytes:
    """All that the model's pixels follow from; finishing comes later and does not count."""
    card, request = plan.card, plan.request
    parts = (str(card.path), card.revision, request.prompt, request.seed, plan.width, plan.height, plan.steps)
    return hashlib.sha256(json.dumps(parts).encode()).digest()
