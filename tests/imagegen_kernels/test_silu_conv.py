"""SiLU and an int8 convolution."""

import math

import pytest
import torch
from torch.nn.functional import conv2d, silu

from imagegen_kernels import silu_conv
from imagegen_kernels.formats import ConvWeight, quantize_conv
from imagegen_kernels.silu_conv import avx2, cpu, reference
from imagegen_kernels.silu_conv.reference import Norm

OP = "imagegen_kernels.silu_conv"
LAST = torch.channels_last

pytestmark = pytest.mark.usefixtures("way")


def drawn(inputs: int, outputs: int, kernel: int = 3) -> ConvWeight:
    return quantize_conv(torch.randn(outputs, inputs, kernel, kernel) * 0.1, torch.randn(outputs))


@pytest.mark.parametrize(
    ("inputs", "outputs", "kernel", "height", "width"),
    [(16, 16, 3, 9, 17), (32, 16, 3, 8, 8), (5, 7, 3, 1, 3), (64, 64, 3, 16, 16), (8, 3, 1, 4, 6)],
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, LAST])
def test_it_is_the_specification(
    inputs: int, outputs: int, kernel: int, height: int, width: int, layout: torch.memory_format
) -> None:
    weight = drawn(inputs, outputs, kernel)
    x = (torch.randn(1, inputs, height, width) * 3).contiguous(memory_format=layout)
    expected = reference.silu_conv(x, weight)
    got = silu_conv(x.clone(), weight)
    assert (got.dtype, got.shape) == (torch.float32, (1, outputs, height, width))
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize(("channels", "groups"), [(16, 8), (64, 8), (48, 3), (12, 4)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, LAST])
def test_a_norm_comes_before_it(channels: int, groups: int, layout: torch.memory_format) -> None:
    weight = drawn(channels, 8)
    norm = Norm(groups, torch.randn(channels), torch.randn(channels), 1e-6)
    x = (torch.randn(2, channels, 23, 31) * 5 + 3).contiguous(memory_format=layout)
    before = x.clone()
    expected = reference.silu_conv(x, weight, norm)
    got = silu_conv(x, weight, norm)
    assert torch.equal(x, before)
    # A number that is rounded to the next code changes what it stands for by a scale.
    assert float((got - expected).std() / expected.std()) < 1e-3


@pytest.mark.usefixtures("threads")
def test_a_norm_of_a_large_map_does_not_depend_on_its_batch() -> None:
    weight, norm = drawn(16, 16), Norm(8, torch.randn(16), torch.randn(16), 1e-6)
    x = torch.randn(2, 16, 60, 60).contiguous(memory_format=LAST)
    together = silu_conv(x, weight, norm)
    assert torch.equal(silu_conv(x[1:], weight, norm), together[1:])


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_not_finite_stays_so_behind_a_norm(value: float) -> None:
    x = torch.randn(1, 16, 5, 5).contiguous(memory_format=LAST)
    x[0, 1, 2, 2] = value
    norm = Norm(4, torch.ones(16), torch.zeros(16), 1e-6)
    assert not silu_conv(x, drawn(16, 4), norm).isfinite().all()


def test_a_norm_that_does_not_fit_is_refused() -> None:
    x, weight = torch.randn(1, 16, 5, 5), drawn(16, 4)
    for norm in (Norm(3, torch.ones(16), torch.ones(16), 1e-6), Norm(4, torch.ones(8), torch.ones(16), 1e-6)):
        with pytest.raises(ValueError, match="groups that divide"):
            silu_conv(x, weight, norm)


def test_the_borders_see_zeros() -> None:
    weight = quantize_conv(torch.ones(1, 1, 3, 3))
    x = torch.full((1, 1, 4, 4), 2.0)
    got = silu_conv(x, weight)[0, 0] / (2 / (1 + math.exp(-2)))
    near = torch.tensor([[4.0, 6, 6, 4], [6, 9, 9, 6], [6, 9, 9, 6], [4, 6, 6, 4]])
    torch.testing.assert_close(got, near, rtol=5e-3, atol=0)


def test_it_is_near_what_it_stands_for() -> None:
    exact = torch.randn(16, 16, 3, 3) * 0.1
    x = torch.randn(1, 16, 24, 24)
    expected = conv2d(silu(x), exact, padding=1)
    error = silu_conv(x, quantize_conv(exact)) - expected
    assert float(error.std() / expected.std()) < 0.015


@pytest.mark.parametrize("filled", [-3.0, 0.0, 1e-6, 200.0, 1e30])
def test_any_range_of_activations_is_met(filled: float) -> None:
    weight = drawn(4, 4)
    x = torch.full((1, 4, 5, 5), filled)
    x[0, 0, 0, 0] = -1.278  # where silu is lowest
    expected = reference.silu_conv(x, weight)
    torch.testing.assert_close(silu_conv(x, weight), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("filled", [-1.278, 50.0])
def test_the_largest_codes_saturate_nothing(filled: float) -> None:
    x = torch.full((1, 64, 6, 6), filled)
    x[0, 0, 0, 0], x[0, 0, 0, 1] = -1.278, 50.0
    dense = torch.ones(16, 64, 3, 3)
    dense[1], dense[2, ::2] = -1, -1
    weight = quantize_conv(dense)
    assert int(weight.codes.abs().min()) == 127
    expected = reference.silu_conv(x, weight)
    got = silu_conv(x, weight)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_every_code_fits_a_byte() -> None:
    for largest in torch.linspace(-0.2784, 40, 4001).tolist():
        scale, zero = reference.scale_and_zero(largest)
        codes = torch.tensor([reference.LOWEST, largest]) * (1 / scale) + zero
        assert float(codes.amin().round()) >= 0
        assert float(codes.amax().round()) <= 255


def test_what_is_not_finite_stays_so() -> None:
    x = torch.ones(1, 4, 5, 5)
    x[0, 1, 2, 2] = torch.nan
    assert not silu_conv(x, drawn(4, 4)).isfinite().all()


def test_a_sample_does_not_depend_on_its_batch(threads: int) -> None:
    weight = drawn(16, 16)
    x = (torch.randn(3, 16, 40, 40) * torch.tensor([1.0, 3, 9]).view(3, 1, 1, 1)).contiguous(
        memory_format=LAST
    )
    together = silu_conv(x.clone(), weight)
    for i in range(3):
        assert torch.equal(silu_conv(x[i : i + 1].clone(), weight), together[i : i + 1])


def test_channels_stay_last_and_the_weight_is_laid_out_once(way: str) -> None:
    if way == "reference":
        pytest.skip("it lays out nothing")
    weight, x = drawn(16, 8), torch.randn(1, 16, 6, 6).contiguous(memory_format=LAST)
    got = silu_conv(x, weight)
    assert got.stride() == torch.empty_like(got, memory_format=LAST).stride()
    kept = dict(weight.prepared)
    silu_conv(x, weight)
    assert all(weight.prepared[key] is value for key, value in kept.items())


def test_the_way_that_is_chosen_is_gone(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = {"int8": cpu, "avx2": avx2, "reference": reference}
    monkeypatch.setattr(gone[way], "silu_conv", lambda *arguments: arguments[0])
    x = torch.randn(2, 4, 5, 5)
    assert silu_conv(x, drawn(4, 4)) is x


def test_what_does_not_fit_is_refused() -> None:
    weight = drawn(4, 4)
    for x in (torch.zeros(4, 5, 5), torch.zeros(1, 3, 5, 5), torch.zeros(1, 4, 5, 5, dtype=torch.float64)):
        with pytest.raises(ValueError, match=r"silu_conv with codes \[4, 4, 3, 3\] needs float32 x"):
            silu_conv(x, weight)
