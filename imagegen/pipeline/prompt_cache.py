"""Embeddings of prompts that were encoded already: the same prompt gives the same bits, so it need not be
encoded again.

In memory only, and by hash: neither a prompt nor its embeddings reach a disk.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from imagegen.store.bounded import Bounded
from imagegen.weights.catalog import ModelCard

if TYPE_CHECKING:
    from torch import Tensor


class PromptCache:
    """Thread-safe; holds at most `size` bytes of embeddings and lets go what was not asked for the
    longest."""

    def __init__(self, size: int) -> None:
        self._kept: Bounded[Tensor] = Bounded(size)

    def get(self, card: ModelCard, prompt: str) -> Tensor | None:
        """Embeddings [text_length, channels] on the CPU."""
        return self._kept.get(_key(card, prompt))

    def put(self, card: ModelCard, prompt: str, embeddings: Tensor) -> None:
        """Keeps a copy, unless it is larger than the cache."""
        copy = embeddings.detach().to("cpu", copy=True).contiguous()
        self._kept.put(_key(card, prompt), copy, copy.nbytes)

    def drop(self, card: ModelCard, prompt: str) -> None:
        self._kept.drop(_key(card, prompt))

    def __len__(self) -> int:
        return len(self._kept)


def _key(card: ModelCard, prompt: str) -> bytes:
    """All that embeddings follow from on one machine."""
    return hashlib.sha256(
        json.dumps([str(card.path), card.revision, card.text_length, prompt]).encode()
    ).digest()
