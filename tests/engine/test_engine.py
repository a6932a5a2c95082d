"""The engine on a real (tiny, random) model: batches, cancelling, failing, closing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest

from imagegen.engine import Engine
from imagegen.errors import Cancelled, InvalidRequest, ModelNotFound, Overloaded
from imagegen.request import ImageRequest
from imagegen.settings import Settings, load_settings


class Gate:
    """A step callback that holds the device until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, done: int, total: int) -> None:
        self.reached.set()
        if not self.opened.wait(timeout=60):
            raise TimeoutError("nobody opened the gate")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path, device="cpu", queue_size=3, max_batch=3)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = Engine(settings)
    yield engine
    engine.close()


def _request(model: Path, seed: int = 1, **fields: int) -> ImageRequest:
    return ImageRequest("red leather handbag", model=str(model), seed=seed, recipe=None, **fields)


def test_a_picture_is_the_same_alone_and_in_a_batch(engine: Engine, tiny_checkpoint: Path) -> None:
    alone = engine.submit(_request(tiny_checkpoint, seed=5)).result().pixels
    gate = Gate()
    first = engine.submit(_request(tiny_checkpoint, seed=1), gate)
    assert gate.reached.wait(timeout=60)
    together = [engine.submit(_request(tiny_checkpoint, seed=seed)) for seed in (4, 5, 6)]
    gate.opened.set()
    pictures = [future.result().pixels for future in together]
    first.result()
    np.testing.assert_array_equal(pictures[1], alone)
    assert not np.array_equal(pictures[0], pictures[1])


def test_steps_are_reported_in_order(engine: Engine, tiny_checkpoint: Path) -> None:
    steps: list[tuple[int, int]] = []
    generation = engine.submit(_request(tiny_checkpoint, steps=3), lambda *step: steps.append(step)).result()
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert generation.pixels.dtype == np.uint8
    assert {"queue", "load", "prompt", "denoise", "decode"} <= set(generation.timings)


def test_a_full_queue_refuses_while_the_device_is_busy(engine: Engine, tiny_checkpoint: Path) -> None:
    gate = Gate()
    running = engine.submit(_request(tiny_checkpoint), gate)
    assert gate.reached.wait(timeout=60)
    waiting = [engine.submit(_request(tiny_checkpoint, seed=seed)) for seed in (2, 3, 4)]
    assert engine.waiting == 3
    with pytest.raises(Overloaded):
        engine.submit(_request(tiny_checkpoint, seed=5))
    assert waiting[0].cancel()
    engine.submit(_request(tiny_checkpoint, seed=5))
    gate.opened.set()
    running.result()


def test_a_failing_callback_ends_its_own_picture_only(engine: Engine, tiny_checkpoint: Path) -> None:
    gate = Gate()
    engine.submit(_request(tiny_checkpoint), gate)
    assert gate.reached.wait(timeout=60)

    def fail(done: int, total: int) -> None:
        raise Cancelled("enough")

    stopped = engine.submit(_request(tiny_checkpoint, seed=2), fail)
    beside = engine.submit(_request(tiny_checkpoint, seed=3))
    gate.opened.set()
    with pytest.raises(Cancelled, match="enough"):
        stopped.result()
    assert beside.result().plan.request.seed == 3
    assert engine.alive


def test_bad_requests_never_reach_the_device(engine: Engine, tiny_checkpoint: Path) -> None:
    with pytest.raises(ModelNotFound, match="no-such-model"):
        engine.submit(ImageRequest("cap", model="no-such-model"))
    with pytest.raises(InvalidRequest):
        engine.submit(_request(tiny_checkpoint, width=65, height=1001))
    assert engine.ailments()


def test_closing_stops_the_running_picture_and_cancels_the_waiting(
    engine: Engine, tiny_checkpoint: Path
) -> None:
    gate = Gate()
    running = engine.submit(_request(tiny_checkpoint), gate)
    assert gate.reached.wait(timeout=60)
    waiting = engine.submit(_request(tiny_checkpoint, seed=2, steps=9))
    closer = threading.Thread(target=engine.close)
    closer.start()
    with pytest.raises(CancelledError):
        waiting.result(timeout=60)
    gate.opened.set()
    closer.join(timeout=60)
    with pytest.raises(Cancelled):
        running.result(timeout=60)
    with pytest.raises(Cancelled):
        engine.submit(_request(tiny_checkpoint))
    assert not engine.alive


def test_warming_up_loads_the_model(engine: Engine, tiny_checkpoint: Path) -> None:
    engine.warm_up(str(tiny_checkpoint)).result()
    assert not engine.ailments()
