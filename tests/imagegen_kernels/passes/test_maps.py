"""Passes over maps against PyTorch in float64, on any CPU, whatever follows them there."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import group_norm, silu

from imagegen_kernels.passes import maps
from imagegen_kernels.silu_conv import cpu, reference
from imagegen_kernels.silu_conv.reference import Norm


def drawn(channels: int, height: int, width: int) -> Tensor:
    x = torch.randn(1, channels, height, width) * 4 + torch.randn(1, channels, 1, 1) * 3
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("channels", "groups"), [(16, 8), (48, 3), (64, 32)])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (23, 31), (64, 65)])
def test_codes_of_a_normed_and_activated_map(channels: int, groups: int, height: int, width: int) -> None:
    x = drawn(channels, height, width)
    norm = Norm(groups, torch.randn(channels), torch.randn(channels), 1e-6)
    codes, scale, zero = cpu._normed_codes(x, norm)
    exact = silu(group_norm(x.double(), groups, norm.weight.double(), norm.bias.double(), norm.eps))
    _, expected_scale, expected_zero = reference.quantize(exact.float())
    assert scale == pytest.approx(expected_scale, rel=1e-5)
    assert zero == expected_zero
    assert codes.is_contiguous(memory_format=torch.channels_last)
    error = (codes.double() - zero) * scale - exact
    assert float(error.abs().max()) <= 0.5001 * scale


@pytest.mark.usefixtures("threads")
def test_statistics_find_every_position_once() -> None:
    x = drawn(32, 37, 41)
    found = cpu.statistics(x).double()
    flat = x.double().flatten(2)[0]
    torch.testing.assert_close(found[:, 0].sum(0), flat.sum(1), rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(found[:, 1].sum(0), flat.square().sum(1), rtol=1e-5, atol=1e-3)
    assert torch.equal(found[:, 2].amin(0), flat.amin(1))
    assert torch.equal(found[:, 3].amax(0), flat.amax(1))


def test_rows_are_encoded_where_they_belong() -> None:
    x = torch.randint(-90, 90, (5, 48)) * 0.5
    codes = torch.full((5, 60), 7, dtype=torch.uint8)
    maps.encode(5, 48, 60, 2.0, 100.0, x, codes, each=2)
    assert torch.equal(codes[:, :48].int(), (x * 2 + 100).int())
    assert (codes[:, 48:] == 7).all()


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("channels", "height", "width"), [(16, 1, 1), (48, 23, 31)])
def test_signed_codes_are_the_others_less_their_zero(channels: int, height: int, width: int) -> None:
    x = drawn(channels, height, width)
    norm = Norm(channels // 4, torch.randn(channels), torch.randn(channels), 1e-6)
    codes, scale, zero = cpu._normed_codes(x, norm)
    affine, _, _ = cpu.affine(x, norm)
    found = torch.full((height, width + 2, channels), 999, dtype=torch.int16)
    sizes = width, channels, found.stride(0), zero
    maps.activate_signed(height, *sizes, 1 / scale, float(zero), x, affine, found[:, 1:], each=2)
    assert torch.equal(found[:, 1:-1], codes[0].permute(1, 2, 0).short() - zero)
    assert (found[:, [0, -1]] == 999).all()


def test_rows_are_encoded_less_their_zero() -> None:
    x = torch.randint(-90, 90, (5, 48)) * 0.5
    codes = torch.full((5, 60), 999, dtype=torch.int16)
    maps.encode_signed(5, 48, 60, 100, 2.0, 100.0, x, codes, each=2)
    assert torch.equal(codes[:, :48].int(), (x * 2).int())
    assert (codes[:, 48:] == 999).all()
