"""Embeddings of prompts that were encoded already: the same prompt gives the same bits, so it need not be
encoded again.

In memory only, and by hash: neither a prompt nor its embeddings reach a disk.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from imagegen.weights.catalog import ModelCard

if TYPE_CHECKING:
    from torch import Tensor


class PromptCache:
    """Thread-safe; holds at most `size` bytes of embeddings and lets go what was not asked for the
    longest."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._lock = threading.Lock()
        self._embeddings: OrderedDict[bytes, Tensor] = OrderedDict()

    def get(self, card: ModelCard, prompt: str) -> Tensor | None:
        """Embeddings [text_length, channels] on the CPU."""
        with self._lock:
            key = _key(card, prompt)
            if key in self._embeddings:
                self._embeddings.move_to_end(key)
            return self._embeddings.get(key)

    def put(self, card: ModelCard, prompt: str, embeddings: Tensor) -> None:
        """Keeps a copy, unless it is larger than the cache."""
        if embeddings.nbytes > self._size:
            return
        key, copy = _key(card, prompt), embeddings.detach().to("cpu", copy=True).contiguous()
        with self._lock:
            self._drop(key)
            self._embeddings[key] = copy
            self._held += copy.nbytes
            while self._held > self._size:
                self._drop(next(iter(self._embeddings)))

    def drop(self, card: ModelCard, prompt: str) -> None:
        with self._lock:
            self._drop(_key(card, prompt))

    def __len__(self) -> int:
        return len(self._embeddings)

    def _drop(self, key: bytes) -> None:
        if (found := self._embeddings.pop(key, None)) is not None:
            self._held -= found.nbytes


def _key(card: ModelCard, prompt: str) -> bytes:
    """All that embeddings follow from on one machine."""
    return hashlib.sha256(
        json.dumps([str(card.path), card.revision, card.text_length, prompt]).encode()
    ).digest()
