"""Transformer steps as CUDA graphs: what a step launches is recorded once for each shape and then replayed as
one, so that no kernel waits for Python.

A graph reads and writes the memory it was recorded with. So the inputs of a step are copied into buffers that
stay, and its result out of one. Never run on a card yet: a new graph is replayed on the inputs of an ordinary
step at once, and one that gives something else is not used.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from imagegen.networks.transformer import Modulation, Rotary, Transformer

logger = logging.getLogger(__name__)

GRAPHS_KEPT = 4
"""Shapes (pixels, text length, batch, photos) whose graphs are kept; they share one pool of memory, as large
as the largest needs."""

TOLERANCE = 0.02
"""Relative error of a replay that is still a matter of rounding: cuBLAS may choose otherwise while it is
recorded."""

Run = Callable[[], Tensor]


@dataclass(frozen=True)
class Recorded:
    """What a step launches."""

    replay: Callable[[], None]
    out: Tensor
    """where a replay leaves its result"""
    pool: Any
    """memory that other graphs may share, since never two of them run"""
    nbytes: int
    """what the pool grew by"""


class Recorder(Protocol):
    def record(self, run: Run, beside: Recorded | None) -> Recorded:
        """Record what `run` launches, in the memory of the graph `beside`. Raises RuntimeError."""
        ...


class CudaRecorder:
    def record(self, run: Run, beside: Recorded | None) -> Recorded:
        graph, before = torch.cuda.CUDAGraph(), torch.cuda.memory_reserved()
        pool = None if beside is None else beside.pool
        # It empties the allocator's cache first. Other threads may use the card meanwhile.
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            out = run()
        grown = max(torch.cuda.memory_reserved() - before, 0)
        return Recorded(graph.replay, out, graph.pool(), grown)


class StepGraphs:
    """The transformer's steps, for one thread. `recorder` None runs each as it is."""

    def __init__(self, transformer: Transformer, recorder: Recorder | None) -> None:
        self._transformer, self._recorder = transformer, recorder
        self._kept: dict[tuple[object, ...], tuple[list[Tensor], Recorded]] = {}
        self.nbytes = 0
        """what the graphs hold"""

    def __call__(
        self,
        latents: Tensor,
        text: Tensor,
        modulation: Modulation,
        rotary: Rotary,
        references: Tensor | None = None,
    ) -> Tensor:
        """As `Transformer.forward`. The first step of a shape is run as it is, then recorded."""
        inputs = (latents, text, modulation, rotary, references)
        if self._recorder is None:
            return self._plain(inputs)
        tensors = list(_tensors(inputs))
        shapes = tuple((tensor.shape, tensor.dtype) for tensor in tensors)
        if shapes not in self._kept:
            velocity = self._plain(inputs)
            self._record(self._recorder, shapes, inputs, velocity)
            return velocity
        self._kept[shapes] = self._kept.pop(shapes)
        buffers, recorded = self._kept[shapes]
        torch._foreach_copy_(buffers, tensors)
        recorded.replay()
        return recorded.out.clone()

    def let_go(self) -> None:
        """Give the graphs' memory back."""
        self._kept.clear()
        self.nbytes = 0

    def _plain(self, inputs: tuple[Any, ...]) -> Tensor:
        velocity: Tensor = self._transformer(*inputs)
        return velocity

    def _record(
        self, recorder: Recorder, shapes: tuple[object, ...], inputs: tuple[Any, ...], expected: Tensor
    ) -> None:
        size = float(expected.float().norm())
        if not math.isfinite(size):  # nothing to compare with; the picture will be refused
            return
        while len(self._kept) >= GRAPHS_KEPT:
            del self._kept[next(iter(self._kept))]
        copies = _copied(inputs)
        beside = next((recorded for _, recorded in self._kept.values()), None)
        try:
            recorded = recorder.record(lambda: self._plain(copies), beside)
            recorded.replay()
            error = float((recorded.out.float() - expected.float()).norm())
        except RuntimeError as reason:
            self._stop(f"recording failed: {reason}")
            return
        if not error <= TOLERANCE * size:
            self._stop("a replay gave something else than the step it records; please report it")
            return
        self.nbytes = recorded.nbytes + (self.nbytes if beside is not None else 0)
        self._kept[shapes] = (list(_tensors(copies)), recorded)

    def _stop(self, reason: str) -> None:
        logger.warning("Steps run without CUDA graphs from here on: %s", reason)
        self._recorder = None
        self.let_go()


def _tensors(value: Any) -> Iterator[Tensor]:
    """Those of nested tuples, in order."""
    if isinstance(value, Tensor):
        yield value
    elif value is not None:
        for part in value:
            yield from _tensors(part)


def _copied(value: Any) -> Any:
    """The same tuples of copies."""
    if value is None:
        return None
    if isinstance(value, Tensor):
        return value.clone()
    parts = [_copied(part) for part in value]
    return value._make(parts) if hasattr(value, "_make") else tuple(parts)
