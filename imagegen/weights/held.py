"""A network that may leave the memory and come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Network = TypeVar("Network")


class Held(Generic[Network]):
    """Loaded when it is asked for, and kept until it is let go. Meant for the one thread that runs the
    model."""

    def __init__(self, load: Callable[[], Network]) -> None:
        self._load = load
        self._network: Network | None = None

    @property
    def is_held(self) -> bool:
        return self._network is not None

    def get(self) -> Network:
        """The network; raises what loading it raises."""
        if self._network is None:
            self._network = self._load()
        return self._network

    def let_go(self) -> None:
        self._network = None
