"""The engine on a real (tiny, random) model: batches, cancelling, failing, closing."""

from __future__ import annotations

import gc
import io
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imagegen.engine import Engine
from imagegen.engine.memory import settle_memory
from imagegen.errors import (
    Cancelled,
    DeviceFailed,
    GenerationFailed,
    InvalidRequest,
    ModelNotFound,
    OutOfMemory,
    Overloaded,
)
from imagegen.photo import Photo
from imagegen.pipeline.text_to_image import TextToImage
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
    return load_settings(data_dir=tmp_path, device="cpu", threads=1, queue_size=3, max_batch=3)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = Engine(settings)
    yield engine
    engine.close()


def _request(model: Path, seed: int = 1, **fields: Any) -> ImageRequest:
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


def test_requests_with_photos_of_other_shapes_are_not_mixed(engine: Engine, tiny_checkpoint: Path) -> None:
    photos = [noisy_photo(seed) for seed in (1, 2)]
    asked = [
        _request(tiny_checkpoint, width=64, height=64),
        _request(tiny_checkpoint, width=64, height=64, image=photos[0], strength=0.5),
        _request(tiny_checkpoint, width=64, height=64, references=tuple(photos)),
    ]
    alone = [engine.submit(request).result().pixels for request in asked]
    gate = Gate()
    first = engine.submit(_request(tiny_checkpoint), gate)
    assert gate.reached.wait(timeout=60)
    together = [engine.submit(request) for request in asked]
    gate.opened.set()
    for expected, future in zip(alone, together, strict=True):
        np.testing.assert_array_equal(future.result().pixels, expected)
    assert len({picture.tobytes() for picture in alone}) == 3
    first.result()


def noisy_photo(seed: int) -> Photo:
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return Photo.of(stream.getvalue())


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


def test_a_dead_thread_is_noticed_and_replaced(engine: Engine, tiny_checkpoint: Path) -> None:
    def die(done: int, total: int) -> None:
        raise SystemExit("as a fault in native code's callback would")

    lost = engine.submit(_request(tiny_checkpoint), die)
    with pytest.raises(DeviceFailed, match="died") as failure:
        lost.result(timeout=60)
    assert failure.value.transient
    again = engine.submit(_request(tiny_checkpoint))
    assert again.result(timeout=60).pixels.shape == (64, 64, 3)
    assert engine.restarts == 1
    assert engine.alive
    assert not engine.ailments()


def test_what_waited_while_the_thread_died_is_made(engine: Engine, tiny_checkpoint: Path) -> None:
    gate = Gate()

    def wait_and_die(done: int, total: int) -> None:
        gate(done, total)
        raise SystemExit

    lost = engine.submit(_request(tiny_checkpoint), wait_and_die)
    assert gate.reached.wait(timeout=60)
    waiting = engine.submit(_request(tiny_checkpoint, seed=2))
    gate.opened.set()
    with pytest.raises(DeviceFailed):
        lost.result(timeout=60)
    waiting.result(timeout=60)


def test_a_batch_too_large_for_the_memory_is_made_in_parts(
    engine: Engine, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    pipeline_of = engine._pipeline

    def narrow(card: object) -> object:
        pipeline = pipeline_of(card)  # type: ignore[arg-type]

        class Narrow:
            def generate(self, prompts: list[str], *arguments: object, **options: object) -> object:
                sizes.append(len(prompts))
                if len(prompts) > 1:
                    raise MemoryError
                return pipeline.generate(prompts, *arguments, **options)  # type: ignore[arg-type]

        return Narrow()

    monkeypatch.setattr(engine, "_pipeline", narrow)
    gate = Gate()
    first = engine.submit(_request(tiny_checkpoint, seed=1), gate)
    assert gate.reached.wait(timeout=60)
    rest = [engine.submit(_request(tiny_checkpoint, seed=seed)) for seed in (2, 3, 4)]
    gate.opened.set()
    for future in (first, *rest):
        future.result(timeout=60)
    assert sizes == [1, 3, 1, 1, 1]
    again = [engine.submit(_request(tiny_checkpoint, seed=seed)) for seed in (5, 6)]
    for future in again:
        future.result(timeout=60)
    assert set(sizes[5:]) == {1}


def test_one_picture_too_large_for_the_memory_says_so(
    engine: Engine, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(card: object) -> object:
        raise MemoryError

    monkeypatch.setattr(engine, "_pipeline", none_left)
    with pytest.raises(OutOfMemory):
        engine.submit(_request(tiny_checkpoint)).result(timeout=60)


def test_a_budget_bounds_the_batch(settings: Settings, tiny_checkpoint: Path) -> None:
    engine = Engine(settings.model_copy(update={"batch_memory_mb": 1}))
    gate = Gate()
    try:
        first = engine.submit(_request(tiny_checkpoint, width=256, height=256), gate)
        assert gate.reached.wait(timeout=60)
        rest = [engine.submit(_request(tiny_checkpoint, seed=s, width=256, height=256)) for s in (2, 3)]
        gate.opened.set()
        for future in (first, *rest):
            future.result(timeout=60)
        plan = rest[0].result().plan
        assert engine._fitting(plan, 3).batch == 1
    finally:
        engine.close()


def test_what_does_not_fit_is_refused_before_it_is_loaded(
    engine: Engine, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagegen.engine.engine.free_memory", lambda device: 1_000_000)
    waiting = [engine.submit(_request(tiny_checkpoint, seed=seed)) for seed in (1, 2, 3)]
    for future in waiting:
        with pytest.raises(OutOfMemory, match=r"tiny needs \d+ MB at 64x64, 1 MB are free"):
            future.result(timeout=60)
    assert engine._loaded is None
    monkeypatch.undo()
    engine.submit(_request(tiny_checkpoint)).result(timeout=60)
    assert not engine._room, "a plan that failed says nothing about batches"


def test_the_text_encoder_leaves_where_memory_is_short(
    engine: Engine, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = engine.submit(_request(tiny_checkpoint)).result(timeout=60).pixels
    pipeline = engine._loaded[1] if engine._loaded else None
    assert isinstance(pipeline, TextToImage)
    encoder = pipeline.components.held_text_encoder
    before = encoder.is_held
    request = _request(tiny_checkpoint, width=128, height=128)
    needs = engine._needs(engine.check(request).card)
    held = pipeline.held_bytes(needs)
    short = needs.peak(128, 128) - 1 - held
    monkeypatch.setattr("imagegen.engine.engine.free_memory", lambda device: short)
    engine.submit(request).result(timeout=60)
    assert (before, encoder.is_held) == (True, False)
    monkeypatch.undo()
    assert np.array_equal(engine.submit(_request(tiny_checkpoint)).result(timeout=60).pixels, expected)


def test_a_forgotten_request_leaves_no_prompt(engine: Engine, tiny_checkpoint: Path) -> None:
    engine.submit(_request(tiny_checkpoint)).result(timeout=60)
    assert engine._prompts is not None
    assert len(engine._prompts) == 1
    engine.forget(_request(tiny_checkpoint))
    assert len(engine._prompts) == 0


def test_memory_that_torch_is_refused_is_named(
    engine: Engine, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(card: object) -> object:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr(engine, "_pipeline", none_left)
    with pytest.raises(OutOfMemory, match="does not fit into memory"):
        engine.submit(_request(tiny_checkpoint)).result(timeout=60)


def test_another_model_takes_the_place_of_the_one_before(
    engine: Engine, tiny_checkpoint: Path, packed_checkpoint: Path
) -> None:
    first = engine.submit(_request(tiny_checkpoint)).result(timeout=60)
    assert engine._loaded is not None
    before = weakref.ref(engine._loaded[1])
    settle_memory()  # as a server does: the collector no longer looks at what is loaded
    try:
        other = engine.submit(_request(packed_checkpoint)).result(timeout=60)
        assert engine._loaded[0] == packed_checkpoint
        assert before() is None  # two models at once may be more than the memory holds
        again = engine.submit(_request(tiny_checkpoint)).result(timeout=60)
    finally:
        gc.unfreeze()
    assert not np.array_equal(first.pixels, other.pixels)
    np.testing.assert_array_equal(first.pixels, again.pixels)


def test_an_idle_model_leaves_the_memory_and_comes_back(settings: Settings, tiny_checkpoint: Path) -> None:
    engine = Engine(settings.model_copy(update={"idle_seconds": 0.01}))
    try:
        first = engine.submit(_request(tiny_checkpoint)).result(timeout=60)
        for _ in range(6000):
            if engine._loaded is None:
                break
            threading.Event().wait(0.01)
        assert engine._loaded is None
        assert not engine.ailments()
        again = engine.submit(_request(tiny_checkpoint)).result(timeout=60)
        np.testing.assert_array_equal(first.pixels, again.pixels)
    finally:
        engine.close()


def test_the_same_request_is_made_once_when_a_cache_is_asked_for(
    settings: Settings, tiny_checkpoint: Path
) -> None:
    engine = Engine(settings.model_copy(update={"cache_mb": 1}))
    steps: list[int] = []

    def count(done: int, total: int) -> None:
        steps.append(done)

    try:
        first = engine.submit(_request(tiny_checkpoint), count).result(timeout=60)
        made = len(steps)
        again = engine.submit(_request(tiny_checkpoint), count).result(timeout=60)
        assert len(steps) == made
        np.testing.assert_array_equal(first.pixels, again.pixels)
        engine.forget(_request(tiny_checkpoint))
        engine.submit(_request(tiny_checkpoint), count).result(timeout=60)
        assert len(steps) == 2 * made
    finally:
        engine.close()


def test_a_device_that_does_not_move_is_told(settings: Settings, tiny_checkpoint: Path) -> None:
    engine = Engine(settings.model_copy(update={"stall_seconds": 0.01}))
    gate = Gate()
    try:
        slow = engine.submit(_request(tiny_checkpoint), gate)
        assert gate.reached.wait(timeout=60)
        threading.Event().wait(0.02)
        assert "has not moved" in engine.ailments()[0]
        gate.opened.set()
        slow.result(timeout=60)
    finally:
        engine.close()


def test_failures_in_a_row_are_told_until_one_goes_well(
    engine: Engine, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.warm_up(str(tiny_checkpoint)).result()
    with monkeypatch.context() as broken:

        def fault(card: object) -> object:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

        broken.setattr(engine, "_pipeline", fault)
        for _ in range(3):
            with pytest.raises(GenerationFailed, match="illegal memory"):
                engine.submit(_request(tiny_checkpoint)).result(timeout=60)
        assert engine.ailments() == ["the last 3 pictures failed, one after the other"]
    engine.submit(_request(tiny_checkpoint)).result(timeout=60)
    assert not engine.ailments()
