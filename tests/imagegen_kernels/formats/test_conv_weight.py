"""The int8 weight of a convolution."""

import pytest
import torch

from imagegen_kernels.formats import ConvWeight, quantize_conv


def test_codes_times_scales_are_the_weight_to_half_a_step() -> None:
    weight = torch.randn(6, 5, 3, 3) * torch.logspace(-3, 3, 6).view(6, 1, 1, 1)
    found = quantize_conv(weight, torch.arange(6.0))
    assert found.codes.dtype == torch.int8
    assert found.codes.short().abs().amax(dim=(1, 2, 3)).tolist() == [127] * 6
    error = (found.codes * found.scales.view(-1, 1, 1, 1) - weight).abs().amax(dim=(1, 2, 3))
    assert bool((error <= 0.5001 * found.scales).all())
    assert found.bias.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.padding == 1


def test_a_channel_of_zeros_stays_zeros() -> None:
    found = quantize_conv(torch.zeros(2, 3, 1, 1))
    assert not found.codes.any()
    assert found.scales.tolist() == [0, 0]
    assert found.bias.tolist() == [0, 0]


def test_what_does_not_fit_is_refused() -> None:
    codes, vector = torch.zeros(4, 2, 3, 3, dtype=torch.int8), torch.zeros(4)
    for wrong in (codes.float(), codes[:, :, :2, :2], codes[..., :2], codes[0]):
        with pytest.raises(ValueError, match="odd K"):
            ConvWeight(wrong, vector, vector)
    with pytest.raises(ValueError, match=r"scales of a convolution .* must be float32 \[4\]"):
        ConvWeight(codes, vector[:3], vector)
    with pytest.raises(ValueError, match=r"bias of a convolution .* must be float32 \[4\]"):
        ConvWeight(codes, vector, vector.double())
    with pytest.raises(ValueError, match="finite"):
        quantize_conv(torch.full((1, 1, 1, 1), torch.nan))
