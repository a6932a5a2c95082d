"""The product of activations as they are: the CPU path against the specification, that against float64."""

import pytest
import torch

from imagegen_kernels import card, matmul, weight_only_matmul
from imagegen_kernels.formats import PackedWeight, dequantize, pack_base3
from imagegen_kernels.weight_only_matmul import cpu, gpu, reference
from tests.imagegen_kernels.test_matmul import KINDS, weight_of

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float16: 2e-3}


def relative(got: torch.Tensor, exact: torch.Tensor) -> float:
    return float((got.double() - exact).norm() / exact.norm())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_specification_is_the_float64_product(kind: str, dtype: torch.dtype) -> None:
    x, weight, bias = torch.randn(2, 3, 384).to(dtype), weight_of(kind, 33, 384), torch.randn(33).to(dtype)
    exact = x.double() @ dequantize(weight, torch.float64).T + bias.double()
    got = reference.weight_only_matmul(x, weight, bias)
    assert got.dtype == dtype
    assert relative(got, exact) < TOLERANCE[dtype]


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_cpu_gives_the_specification(
    kind: str, dtype: torch.dtype, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "KEPT_CODES", 4 << 20 if kept else 0)
    monkeypatch.setattr(cpu, "ROWS", 16)
    x, weight, bias = torch.randn(2, 3, 384).to(dtype), weight_of(kind, 33, 384), torch.randn(33)
    expected = reference.weight_only_matmul(x, weight, bias)
    for _ in range(2):
        got = weight_only_matmul(x, weight, bias)
        assert got.dtype == dtype
        assert relative(got, expected.double()) < TOLERANCE[dtype]
    assert bool(weight.prepared) is kept


def test_outliers_cost_int8_activations_more() -> None:
    x, weight = torch.randn(64, 1024), weight_of("ternary-128", 96, 1024)
    x[:, ::128] *= 100
    exact = x.double() @ dequantize(weight, torch.float64).T
    assert relative(matmul(x, weight), exact) > 0.01
    assert relative(weight_only_matmul(x.bfloat16(), weight), exact) < 0.01


def test_a_weight_in_base_3_and_no_tokens() -> None:
    weight = weight_of("ternary-128", 9, 256)
    base3 = PackedWeight(pack_base3(weight.codes), weight.scales, "ternary", weight.shape, 128, base3=True)
    x = torch.randn(3, 256)
    assert torch.equal(weight_only_matmul(x, base3), weight_only_matmul(x, weight))
    assert tuple(weight_only_matmul(x[:0], weight).shape) == (0, 9)


@pytest.mark.parametrize(
    ("x", "bias", "message"),
    [
        (torch.randn(3, 64), None, "floating point x"),
        (torch.zeros(3, 128, dtype=torch.int8), None, "floating point x"),
        (torch.randn(3, 128), torch.randn(8), "needs bias"),
        (torch.randn(3, 128, device="meta"), None, "on one device"),
    ],
)
def test_what_does_not_fit_is_refused(x: torch.Tensor, bias: torch.Tensor | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        weight_only_matmul(x, weight_of("int4-32", 9, 128), bias)


def test_what_a_card_s_kernel_leaves_to_the_specification(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    card.say_reference.cache_clear()
    monkeypatch.setattr(card, "takes", lambda device: True)
    monkeypatch.setattr(gpu, "holds", lambda index, format, dtype: format != "binary")
    half, ternary = torch.empty(2, 384).half(), weight_of("ternary-128", 8, 384)
    assert gpu.suits(half, ternary)
    assert gpu.suits(half, weight_of("int8-row", 8, 384))
    assert not gpu.suits(half, weight_of("int8-48", 8, 384))
    assert not gpu.suits(half.float(), ternary)
    assert not gpu.suits(half, weight_of("binary-128", 8, 384))
    assert [message.rsplit(": ", 1)[1] for message in caplog.messages] == [
        "a weight-only product does not take torch.float16 in groups of 48.",
        "a weight-only product does not take torch.float32 in groups of 128.",
        "the weight-only binary product is wrong on this card; please report it.",
    ]
