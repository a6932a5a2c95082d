"""A product added to its gated residual is what both ops are one after the other, bit for bit."""

import pytest
import torch

from imagegen_kernels import gated_residual, matmul, matmul_residual, matmul_swiglu
from imagegen_kernels.matmul import cpu
from imagegen_kernels.matmul_residual import reference
from imagegen_kernels.modulate import Modulated, modulate
from tests.imagegen_kernels.test_matmul import weight_of


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("gates", [(2, 1, 64), (1, 1, 64), (64,)])
def test_the_bits_of_both_ops(
    gates: tuple[int, ...], dtype: torch.dtype, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "KEPT_CODES", 4 << 20 if kept else 0)
    x, wide = torch.randn(2, 5, 128).to(dtype), torch.randn(2, 7, 64).to(dtype)
    before, gate, bias = wide[:, 2:], torch.randn(gates).to(dtype), torch.randn(64)
    weight = weight_of("ternary-128", 64, 128)
    got = matmul_residual(x, weight, before, gate, bias)
    assert torch.equal(got, gated_residual(before, gate, matmul(x, weight, bias)))
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    expected = reference.matmul_residual(x, weight, before, gate, bias)
    torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kept", [True, False])
def test_a_product_of_what_is_still_to_be_modulated(kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "KEPT_CODES", 4 << 20 if kept else 0)
    x, shift, scale = torch.randn(2, 5, 128), torch.randn(1, 1, 128), torch.randn(1, 1, 128)
    weight, values = weight_of("ternary-128", 192, 128), modulate(x, shift, scale)
    waiting = Modulated(x, shift, scale, 1e-6)
    assert torch.equal(waiting.values(), values)
    assert torch.equal(matmul(waiting, weight), matmul(values, weight))
    for got, expected in zip(
        matmul_swiglu(waiting, weight, 64), matmul_swiglu(values, weight, 64), strict=True
    ):
        assert torch.equal(got, expected)


def test_what_does_not_fit_is_refused() -> None:
    x, weight = torch.randn(2, 5, 128), weight_of("ternary-128", 64, 128)
    with pytest.raises(ValueError, match="gated_residual needs"):
        matmul_residual(x, weight, torch.randn(2, 4, 64), torch.randn(64))
    with pytest.raises(ValueError, match="gated_residual needs"):
        matmul_residual(x, weight, torch.randn(2, 5, 64), torch.randn(5, 64))
    with pytest.raises(ValueError, match="needs floating point x"):
        matmul_residual(x[..., :64], weight, torch.randn(2, 5, 64), torch.randn(64))
    with pytest.raises(ValueError, match="modulate needs"):
        matmul(Modulated(x, torch.randn(64), torch.randn(128), 1e-6), weight)
