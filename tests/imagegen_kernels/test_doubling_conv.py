"""A doubling convolution in int8."""

import pytest
import torch
from torch.nn.functional import conv_transpose2d

from imagegen_kernels import doubling_conv
from imagegen_kernels.doubling_conv import avx2, cpu, reference
from imagegen_kernels.formats import DoublingWeight, quantize_doubling

OP = "imagegen_kernels.doubling_conv"
LAST = torch.channels_last

pytestmark = pytest.mark.usefixtures("way")


def drawn(inputs: int, outputs: int) -> DoublingWeight:
    return quantize_doubling(torch.randn(inputs, outputs, 4, 4) * 0.1, torch.randn(outputs))


@pytest.mark.parametrize(
    ("inputs", "outputs", "height", "width"), [(16, 16, 9, 17), (32, 16, 8, 8), (5, 7, 1, 3), (64, 64, 6, 4)]
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, LAST])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_the_specification(
    inputs: int, outputs: int, height: int, width: int, layout: torch.memory_format, dtype: torch.dtype
) -> None:
    weight = drawn(inputs, outputs)
    x = (torch.randn(1, inputs, height, width) * 3 + 1).contiguous(memory_format=layout)
    before = x.clone()
    expected = reference.doubling_conv(x, weight)
    got = doubling_conv(x, weight, dtype)
    assert (got.dtype, got.shape) == (dtype, (1, outputs, 2 * height, 2 * width))
    assert torch.equal(x, before)
    rounding = 1e-5 if dtype == torch.float32 else 8e-3
    torch.testing.assert_close(
        got.float(), expected, rtol=rounding, atol=rounding * float(expected.abs().max())
    )


def test_it_is_near_what_it_stands_for() -> None:
    """Each output position by its own four taps, the borders too."""
    exact, bias = torch.randn(16, 256, 4, 4) * 0.1, torch.randn(256)  # many, for a corner is one position
    exact[:, :, ::2] *= 20  # the quarters have scales of their own
    x = torch.randn(1, 16, 12, 12)
    expected = conv_transpose2d(x, exact, bias, stride=2, padding=1)
    error = doubling_conv(x, quantize_doubling(exact, bias)) - expected
    for rows in (slice(0, 1), slice(0, None, 2), slice(1, None, 2), slice(-1, None)):
        for columns in (slice(0, 1), slice(0, None, 2), slice(1, None, 2), slice(-1, None)):
            part = (..., rows, columns)
            assert float(error[part].std() / expected[part].std()) < 0.02


@pytest.mark.parametrize("filled", [-3.0, 0.0, 1e-6, 200.0, 1e30])
def test_any_range_of_activations_is_met(filled: float) -> None:
    weight, x = drawn(4, 4), torch.full((1, 4, 5, 5), filled)
    expected = reference.doubling_conv(x, weight)
    torch.testing.assert_close(
        doubling_conv(x, weight), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max())
    )


@pytest.mark.parametrize(("lowest", "largest"), [(-3.0, 5.0), (1.0, 2.0), (-2.0, -1.0), (-7e-31, 0.0)])
def test_every_code_fits_a_byte(lowest: float, largest: float) -> None:
    scale, zero = reference.scale_and_zero(lowest, largest)
    assert round(lowest / scale + zero) >= 0
    assert round(largest / scale + zero) <= 255
    assert 0 <= zero <= 255


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_stays_so(value: float) -> None:
    for channels in (4, 16):
        x = torch.ones(1, channels, 5, 5).contiguous(memory_format=LAST)
        x[0, 1, 2, 2] = value
        assert not doubling_conv(x, drawn(channels, 4)).isfinite().all()


def test_a_sample_does_not_depend_on_its_batch(threads: int) -> None:
    weight = drawn(16, 16)
    x = (torch.randn(3, 16, 40, 40) * torch.tensor([1.0, 3, 9]).view(3, 1, 1, 1)).contiguous(
        memory_format=LAST
    )
    together = doubling_conv(x, weight)
    for i in range(3):
        assert torch.equal(doubling_conv(x[i : i + 1], weight), together[i : i + 1])


def test_channels_are_last_and_the_weight_is_laid_out_once(way: str) -> None:
    if way == "reference":
        pytest.skip("it lays out nothing")
    weight, x = drawn(16, 8), torch.randn(1, 16, 6, 6)
    got = doubling_conv(x, weight)
    assert got.stride() == torch.empty_like(got, memory_format=LAST).stride()
    kept = dict(weight.prepared)
    doubling_conv(x, weight)
    assert all(weight.prepared[key] is value for key, value in kept.items())


def test_the_way_that_is_chosen_is_gone(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = {"int8": cpu, "avx2": avx2, "reference": reference}
    monkeypatch.setattr(gone[way], "doubling_conv", lambda *arguments: arguments[0])
    x = torch.randn(2, 4, 5, 5)
    assert doubling_conv(x, drawn(4, 4)) is x


def test_what_does_not_fit_is_refused() -> None:
    weight = drawn(4, 4)
    for x in (torch.zeros(4, 5, 5), torch.zeros(1, 3, 5, 5), torch.zeros(1, 4, 5, 5, dtype=torch.float64)):
        with pytest.raises(ValueError, match=r"doubling_conv with codes \[4, 4, 4, 4\] needs float32 x"):
            doubling_conv(x, weight)
    with pytest.raises(ValueError, match="float32 or bfloat16"):
        doubling_conv(torch.zeros(1, 4, 5, 5), weight, torch.float16)
    with pytest.raises(ValueError, match=r"int8 \[I, O, 4, 4\]"):
        DoublingWeight(torch.zeros(2, 2, 3, 3, dtype=torch.int8), torch.ones(2, 2, 2), torch.ones(2))
    with pytest.raises(ValueError, match="scales of a doubling convolution"):
        DoublingWeight(torch.zeros(2, 2, 4, 4, dtype=torch.int8), torch.ones(2), torch.ones(2))
    with pytest.raises(ValueError, match="finite"):
        quantize_doubling(torch.full((2, 2, 4, 4), torch.nan))
