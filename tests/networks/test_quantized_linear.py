from __future__ import annotations

import torch

from imagegen.networks.quantized_linear import QuantizedLinear, project, project_gated, project_residual
from imagegen_kernels.formats import dequantize, quantize_int4, quantize_int8, quantize_ternary
from imagegen_kernels.modulate import Modulated


def test_equals_a_dense_linear_up_to_the_rounding_of_activations() -> None:
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(96, 256, generator=generator), torch.randn(96, generator=generator)
    x = torch.randn(2, 5, 256, generator=generator)
    for packed in (quantize_ternary(weight), quantize_int8(weight, 256)):
        expected = torch.nn.functional.linear(x, dequantize(packed), bias)
        found = QuantizedLinear(packed, bias)(x)
        assert found.shape == (2, 5, 96)
        assert (found - expected).norm() / expected.norm() < 0.02


def test_has_no_parameters_to_train_and_says_what_it_is() -> None:
    linear = QuantizedLinear(quantize_ternary(torch.eye(128)))
    assert list(linear.parameters()) == []
    assert "128 -> 128, ternary, group 128, int8 activations" in repr(linear)


def test_activations_may_stay_as_they_are() -> None:
    weight, x = quantize_int4(torch.randn(96, 256)), torch.randn(2, 5, 256)
    x[..., ::64] *= 50
    vector, before, gate = torch.randn(256), torch.randn(2, 5, 96), torch.randn(96)
    linear = QuantizedLinear(weight, activations="float")
    expected = torch.nn.functional.linear(x, dequantize(weight))
    torch.testing.assert_close(linear(x), expected)
    assert (QuantizedLinear(weight)(x) - expected).norm() > 0.005 * expected.norm()
    waiting = Modulated(x, vector, vector, 1e-6)
    torch.testing.assert_close(project(linear, waiting), linear(waiting.values()))
    torch.testing.assert_close(project_residual(linear, x, before, gate), before + gate * expected)
    gated = torch.nn.functional.silu(expected[..., 32:64]) * expected[..., 64:]
    torch.testing.assert_close(project_gated(linear, x, 32)[1], gated)
