"""What training computes with is, bit for bit, what the packed form stands for."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from imagegen_kernels.formats import PackedWeight, dequantize, pack_ternary
from training.ternary import GROUP, TernaryLinear, ternary_parts, ternary_weight


@pytest.mark.parametrize("shape", [(1, 128), (5, 384), (96, 1536)])
def test_the_packed_form_dequantises_to_the_training_weight(shape: tuple[int, int]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(shape[1])) * 0.03
    codes, scales = ternary_parts(weight)
    packed = PackedWeight(pack_ternary(codes.reshape(shape)), scales, "ternary", shape, GROUP)
    assert torch.equal(dequantize(packed), ternary_weight(weight))


def test_a_ternary_weight_comes_back_unchanged() -> None:
    codes = torch.randint(-1, 2, (8, 2, GROUP), generator=torch.Generator().manual_seed(0))
    weight = (codes * 0.5).reshape(8, 2 * GROUP)
    assert torch.equal(ternary_weight(weight), weight)


def test_a_zero_group_stays_zero() -> None:
    assert torch.equal(ternary_weight(torch.zeros(2, GROUP)), torch.zeros(2, GROUP))


def test_forward_uses_ternary_weights_and_backward_reaches_the_master() -> None:
    linear = TernaryLinear(GROUP, 4, bias=False)
    x = torch.randn(3, GROUP, generator=torch.Generator().manual_seed(1))
    output = linear(x)
    torch.testing.assert_close(output, functional.linear(x, ternary_weight(linear.weight)))
    output.sum().backward()
    assert linear.weight.grad is not None
    torch.testing.assert_close(linear.weight.grad, x.sum(0).expand(4, -1))


def test_a_changed_master_is_quantised_anew() -> None:
    linear = TernaryLinear(GROUP, 4, bias=False)
    x = torch.ones(1, GROUP)
    before = linear(x)
    optimizer = torch.optim.AdamW(linear.parameters(), lr=0.1, fused=True)
    before.sum().backward()
    optimizer.step()
    assert not torch.equal(linear(x), before)
    torch.testing.assert_close(linear(x), functional.linear(x, ternary_weight(linear.weight)))


def test_passes_without_gradients_reuse_the_last_ternary_weight() -> None:
    linear = TernaryLinear(GROUP, 4, bias=False)
    x = torch.ones(1, GROUP)
    linear(x)
    kept = linear.quantised
    with torch.no_grad():
        linear(x)
    assert linear.quantised is kept


def test_it_is_still_a_linear() -> None:
    assert issubclass(TernaryLinear, nn.Linear)
