"""The swap of plain linears: what other models compute afterwards, what stays, what is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from imagegen.networks import quantized_linear
from imagegen.networks.quantize_module import quantize_module
from imagegen.networks.quantized_linear import QuantizedLinear
from imagegen_kernels.formats import Format, PackedWeight, dequantize


def sd3() -> tuple[nn.Module, dict[str, Tensor]]:
    """A random miniature of Stable Diffusion 3's transformer, and what it is called with."""
    from diffusers import SD3Transformer2DModel

    torch.manual_seed(0)
    model = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=32,
        num_attention_heads=4,
        joint_attention_dim=128,
        caption_projection_dim=128,
        pooled_projection_dim=128,
        pos_embed_max_size=8,
    )
    inputs = {
        "hidden_states": torch.randn(2, 4, 8, 8),
        "encoder_hidden_states": torch.randn(2, 7, 128),
        "pooled_projections": torch.randn(2, 128),
        "timestep": torch.tensor([100.0, 700.0]),
    }
    return model.eval(), inputs


def sana() -> tuple[nn.Module, dict[str, Tensor]]:
    """A random miniature of Sana's transformer: linear attention, convolutions between its linears."""
    from diffusers import SanaTransformer2DModel

    torch.manual_seed(0)
    model = SanaTransformer2DModel(
        sample_size=8,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=32,
        num_attention_heads=4,
        num_cross_attention_heads=4,
        cross_attention_head_dim=32,
        cross_attention_dim=128,
        caption_channels=128,
    )
    inputs = {
        "hidden_states": torch.randn(2, 4, 8, 8),
        "encoder_hidden_states": torch.randn(2, 7, 128),
        "timestep": torch.tensor([100.0, 700.0]),
    }
    return model.eval(), inputs


def with_dequantized_weights(model: nn.Module, swapped: nn.Module) -> nn.Module:
    """A copy of `model` with the dense weights that `swapped` has packed."""
    dense = copy.deepcopy(model)
    for name, layer in swapped.named_modules():
        if isinstance(layer, QuantizedLinear):
            dense.get_parameter(f"{name}.weight").data = dequantize(layer.weight)
    return dense


def dense_product(x: Tensor, weight: PackedWeight, bias: Tensor | None = None) -> Tensor:
    return functional.linear(x, dequantize(weight, x.dtype), bias)


@pytest.mark.parametrize("build", [sd3, sana])
@pytest.mark.parametrize("format", ["binary", "ternary", "int4", "int8"])
def test_a_diffusers_model_computes_what_its_dequantized_weights_do(
    build: Callable[[], tuple[nn.Module, dict[str, Tensor]]],
    format: Format,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, inputs = build()
    swapped = copy.deepcopy(model)
    report = quantize_module(swapped, format, skip=["proj_out"])
    assert report.kept == {"proj_out": "skipped"}
    linears = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n != "proj_out"]
    assert [layer.name for layer in report.packed] == linears
    assert len(linears) > 20
    assert {n for n, m in swapped.named_modules() if isinstance(m, QuantizedLinear)} == set(linears)
    dense = with_dequantized_weights(model, swapped)
    with torch.inference_mode():
        expected = dense(**inputs, return_dict=False)[0]
        got = swapped(**inputs, return_dict=False)[0]
        monkeypatch.setattr(quantized_linear, "matmul", dense_product)
        exact = swapped(**inputs, return_dict=False)[0]
    torch.testing.assert_close(exact, expected, rtol=1e-5, atol=1e-6)
    assert float((got - expected).norm() / expected.norm()) < 0.015


def test_the_report_says_what_it_took_and_what_it_cost() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(256, 64), nn.SiLU(), nn.Linear(64, 256)).to(torch.bfloat16)
    report = quantize_module(model, "int4", group_size=64, zero_points=True)
    first, second = report.packed
    assert (first.name, first.shape) == ("0", (64, 256))
    assert first.bytes_before == 64 * 256 * 2
    assert first.bytes_after == 64 * (256 // 2 + 3 * 4)
    assert report.bytes_before == 2 * first.bytes_before
    assert report.bytes_after == first.bytes_after + second.bytes_after
    assert 0.05 < first.error < 0.1
    assert first.error < first.folded_error < 1.05 * first.error
    assert "2 linears packed as int4: 0.07 MB before, 0.02 MB after" in str(report)
    assert f"0 (64, 256): error {first.error:.2%}" in str(report)
    assert model(torch.randn(3, 256, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_layers_that_do_not_bear_int8_are_named() -> None:
    model = nn.Sequential(nn.Linear(256, 64), nn.SiLU(), nn.Linear(64, 256))
    report = quantize_module(model, "int4", group_size=32, float_activations=["2"])
    assert [layer.activations for layer in report.packed] == ["int8", "float"]
    assert report.packed[1].folded_error == report.packed[1].error
    assert "float activations" in str(report)
    x = torch.randn(3, 64)
    layer = model[2]
    assert isinstance(layer, QuantizedLinear)
    torch.testing.assert_close(layer(x), functional.linear(x, dequantize(layer.weight), layer.bias))
    with pytest.raises(ValueError, match="float_activations: '3' names no linear"):
        quantize_module(nn.Sequential(nn.Linear(256, 64)), "int4", float_activations=["3"])


def test_int8_takes_one_scale_a_row_and_any_number_of_columns() -> None:
    model = nn.Sequential(nn.Linear(33, 7))
    (layer,) = quantize_module(model, "int8").packed
    assert layer.bytes_after == 7 * (33 + 2)
    assert layer.error == layer.folded_error < 0.01
    assert tuple(model(torch.randn(2, 33)).shape) == (2, 7)


def test_a_linear_in_two_places_stays_one() -> None:
    linear = nn.Linear(128, 128)
    model = nn.Sequential(linear, nn.SiLU(), linear)
    assert [layer.name for layer in quantize_module(model, "ternary").packed] == ["0"]
    assert isinstance(model[0], QuantizedLinear)
    assert model[0] is model[2]


def test_what_cannot_be_packed_is_kept_with_the_reason() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(300, 128)
            self.narrow = nn.Linear(100, 128)
            self.attention = nn.MultiheadAttention(128, 4)
            self.head = nn.Linear(128, 300)
            self.head.weight = self.table.weight
            self.plain = nn.Linear(128, 128)

    model = Tied()
    report = quantize_module(model, "ternary")
    assert [layer.name for layer in report.packed] == ["plain"]
    assert report.kept == {
        "narrow": "ternary columns must be a multiple of 128, not shape [128, 100]",
        "attention.out_proj": "a NonDynamicallyQuantizableLinear, not a plain Linear",
        "head": "another module shares its weight",
    }
    assert type(model.head) is nn.Linear
    assert "  head: kept, another module shares its weight" in str(report)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"skip": ["0", "proj_out"]}, "skip: 'proj_out' names no linear of the model"),
        ({"zero_points": True}, "zero points are int4's: there are none in ternary"),
        ({"format": "int3"}, "unknown weight format 'int3'"),
        ({"group_size": 64}, "ternary group size must be a multiple of 128, not 64"),
        ({"group_size": -128}, "group size -128 does not divide"),
        ({"format": "int8", "group_size": 0}, "group size 0 does not divide"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], why: str) -> None:
    model = nn.Sequential(nn.Linear(128, 128))
    with pytest.raises(ValueError, match=why):
        quantize_module(model, **{"format": "ternary", **options})
    assert type(model[0]) is nn.Linear


def test_a_model_with_a_broken_weight_is_left_as_it_was() -> None:
    broken = nn.Linear(128, 128)
    with torch.no_grad():
        broken.weight[3, 7] = torch.nan
    model = nn.Sequential(nn.Linear(128, 128), broken)
    with pytest.raises(ValueError, match="1: a weight to quantise must be finite"):
        quantize_module(model, "ternary")
    assert type(model[0]) is nn.Linear


def test_a_bare_linear_is_refused() -> None:
    with pytest.raises(ValueError, match="the model is a linear itself"):
        quantize_module(nn.Linear(128, 128), "ternary")


def test_a_linear_without_bias_keeps_none() -> None:
    model = nn.Sequential(nn.Linear(128, 8, bias=False))
    quantize_module(model, "binary")
    assert not model(torch.zeros(2, 128)).any()


def test_saving_is_refused_rather_than_incomplete() -> None:
    model = nn.Sequential(nn.Linear(128, 128), nn.LayerNorm(128))
    quantize_module(model, "int8")
    with pytest.raises(RuntimeError, match="0 is packed and in no state dict"):
        model.state_dict()
