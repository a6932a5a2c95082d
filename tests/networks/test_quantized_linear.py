from __future__ import annotations

import torch

from imagegen.networks.quantized_linear import QuantizedLinear
from imagegen_kernels.formats import dequantize, quantize_int8, quantize_ternary


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
    assert "128 -> 128, ternary, group 128" in repr(linear)
