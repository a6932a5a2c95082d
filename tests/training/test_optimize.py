"""A killed phase continues where it was saved."""

import random
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from training import optimize as module
from training.optimize import optimize
from training.state import Average, load_state, save_state


def loss_of(network: nn.Linear, generator: torch.Generator) -> torch.Tensor:
    x = torch.randn(8, 4, generator=generator)
    return nn.functional.mse_loss(network(x), x.sum(1, keepdim=True))


def run(network: nn.Linear, state: Path, stop_after: int, clock: list[float]) -> None:
    """`stop_after` steps of one clock second each."""
    steps = 0

    def loss_of_batch(generator: torch.Generator, rng: random.Random) -> torch.Tensor:
        nonlocal steps
        steps += 1
        if steps > stop_after:
            raise KeyboardInterrupt
        clock[0] += 1
        return loss_of(network, generator)

    optimize(
        network, loss_of_batch,
        seconds=8, batch=8, learning_rate=0.05, ema_halflife=16, state_path=state,
    )  # fmt: skip


def test_resume_counts_on_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    # The module's own clock: the real one also drives every event loop that other tests keep running.
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(module, "SAVE_EVERY", 0)
    state = tmp_path / "toy.pt"
    torch.manual_seed(0)
    with pytest.raises(KeyboardInterrupt):
        run(nn.Linear(4, 1), state, 2, clock)
    saved = load_state(state)
    assert saved is not None
    assert saved["steps"] == 2

    network = nn.Linear(4, 1)
    run(network, state, 100, clock)
    finished = load_state(state)
    assert finished is not None
    assert finished["steps"] == 8
    assert torch.equal(network.weight, finished["average"]["weight"])

    again = nn.Linear(4, 1)
    run(again, state, 0, clock)  # done: no step is asked for
    assert torch.equal(again.weight, network.weight)


def test_a_state_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.pt"
    assert load_state(path) is None
    save_state(path, {"steps": 1})
    save_state(path, {"steps": 2})
    assert load_state(path) == {"steps": 2}
    assert [entry.name for entry in path.parent.iterdir()] == ["state.pt"]


def test_the_average_halves_its_distance_in_a_halflife() -> None:
    average = Average({"w": torch.zeros(1)}, halflife=10)
    average.seen = 1000
    average.update({"w": torch.ones(1)}, 10)
    torch.testing.assert_close(average.values["w"], torch.tensor([0.5]))
