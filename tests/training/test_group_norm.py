"""The lean group normalisation is torch's, forward and backward."""

import torch
from torch import nn

from training.group_norm import LeanGroupNorm, make_lean


def test_gradients_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    module = nn.Sequential(nn.GroupNorm(4, 16))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(16, generator=generator))
    x = torch.randn(3, 16, 6, 5, generator=generator).mul(2).add(1)
    gradient = torch.randn(x.shape, generator=generator)

    def run() -> list[torch.Tensor]:
        inputs = x.clone(memory_format=torch.channels_last).requires_grad_()
        out = module(inputs)
        return [out, *torch.autograd.grad(out, [inputs, *module.parameters()], gradient)]

    expected = run()
    make_lean(module)
    assert isinstance(module[0], LeanGroupNorm)
    for ours, theirs in zip(run(), expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_tokens_pass_too() -> None:
    norm = nn.GroupNorm(4, 16)
    tokens = torch.randn(2, 16, 9)
    expected = norm(tokens)
    make_lean(norm)
    assert torch.equal(norm(tokens), expected)
