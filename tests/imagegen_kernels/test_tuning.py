"""The fastest right tile is found; time and card are played."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from imagegen_kernels import card, tuning
from imagegen_kernels.card import Tile

IN_USE = Tile(128, 128, 8, 3)


@pytest.fixture(autouse=True)
def a_table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(card, "capability", lambda index: 80)
    monkeypatch.setattr(card, "card_name", lambda index: "a-card")
    monkeypatch.setattr(card, "_index", lambda device: 0)
    yield
    card.keep_tiles_in(None)


def in_use() -> Tile:
    return card.tile("ternary", torch.device("cpu"))


def tuned(
    monkeypatch: pytest.MonkeyPatch, times: dict[Tile, float], wrong: Tile | None = None
) -> tuning.Tuned:
    """Tuned where every other tile takes a second and those of `times` these seconds."""

    def run() -> Tensor:
        if in_use().stages == 4:
            raise RuntimeError("out of resource: shared memory")
        return torch.ones(3) if in_use() != wrong else torch.zeros(3)

    monkeypatch.setattr(
        tuning, "candidates", lambda: [Tile(64, 64, 4, 2), Tile(64, 128, 4, 2), Tile(64, 128, 4, 4)]
    )
    seen: list[tuple[str, int, int]] = []
    found = tuning.tune(
        {"ternary": run}, lambda run: times.get(in_use(), 1.0), lambda *progress: seen.append(progress)
    )
    assert seen == [("ternary", done, 3) for done in (1, 2, 3)]
    return found["ternary"]


def test_the_fastest_that_runs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = Tile(64, 128, 4, 2)
    found = tuned(monkeypatch, {fast: 0.5, Tile(64, 128, 4, 4): 0.1})
    assert found == tuning.Tuned(fast, 0.5, IN_USE, 1.0, refused=1)
    assert in_use() == IN_USE


def test_a_fast_tile_that_gives_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = Tile(64, 128, 4, 2)
    assert tuned(monkeypatch, {fast: 0.5}, wrong=fast) == tuning.Tuned(IN_USE, 1.0, IN_USE, 1.0, refused=2)


def test_noise_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tuned(monkeypatch, {Tile(64, 64, 4, 2): 0.99}).tile == IN_USE


def test_candidates_are_tiles_of_this_size() -> None:
    found = list(tuning.candidates())
    assert 40 < len(found) == len(set(found)) < 90
    assert IN_USE in found
    assert Tile(256, 256, 8, 3) not in found
