"""Wide weights move along orthogonal matrices, the others as Adam moves them; states are kept."""

import copy

import torch
from torch import nn

from training.muon import Muon, orthogonal


def test_singular_values_become_about_one() -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in ((16, 144), (48, 16)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=generator)))
        assert 0.6 < values.min() <= values.max() < 1.3


def test_a_convolution_is_found_and_the_state_can_be_taken_up() -> None:
    torch.manual_seed(0)
    truth, model, resumed = (nn.Conv2d(16, 16, 3, padding=1) for _ in range(3))
    optimizer = Muon(model.parameters(), lr=0.02)
    pictures = torch.randn(4, 16, 8, 8)

    def step(network: nn.Module, by: torch.optim.Optimizer) -> float:
        loss = nn.functional.mse_loss(network(pictures), truth(pictures).detach())
        by.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        by.step()
        return loss.item()

    losses = [step(model, optimizer) for _ in range(40)]
    assert losses[-1] < 0.1 * losses[0]

    resumed.load_state_dict(model.state_dict())
    again = Muon(resumed.parameters(), lr=0.02)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))  # the tensors would be shared
    step(model, optimizer)
    step(resumed, again)
    for ours, theirs in zip(resumed.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_first_step_of_a_vector_is_the_learning_rate() -> None:
    vector = nn.Parameter(torch.zeros(4))
    vector.grad = torch.tensor([3.0, -2.0, 0.5, -0.1])
    Muon([vector], lr=0.01).step()
    torch.testing.assert_close(vector.detach(), -0.01 * vector.grad.sign())
