"""The kernels that go row by row, against their specifications."""

import pytest
import torch

from imagegen_kernels.gated_residual import gpu as gated_residual_gpu
from imagegen_kernels.gated_residual import reference as gated_residual_reference
from imagegen_kernels.modulate import gpu as modulate_gpu
from imagegen_kernels.modulate import reference as modulate_reference
from imagegen_kernels.qk_rope import gpu as qk_rope_gpu
from imagegen_kernels.qk_rope import reference as qk_rope_reference
from imagegen_kernels.quantize import gpu as quantize_gpu
from imagegen_kernels.quantize import reference as quantize_reference
from imagegen_kernels.swiglu import gpu as swiglu_gpu
from imagegen_kernels.swiglu import reference as swiglu_reference

DTYPES = [(torch.float32, 1e-5), (torch.float16, 2e-3), (torch.bfloat16, 2**-6)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_quantize_is_the_specification_bit_for_bit(dtype: torch.dtype) -> None:
    x = torch.randn(2, 5, 300).to(dtype) * torch.logspace(-6, 4, 5)[:, None].to(dtype)
    x[0, 0], x[0, 1] = 0, torch.arange(-150, 150)  # zeros; halves, which go to the even neighbour
    for rows in (x, x[:, ::2, :40], x[..., :4].transpose(0, 2)):
        codes, scale = quantize_gpu.quantize(rows)
        expected_codes, expected_scale = quantize_reference.quantize(rows)
        assert torch.equal(codes, expected_codes)
        assert torch.equal(scale, expected_scale)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_token_that_is_not_finite_keeps_that_in_its_scale() -> None:
    x = torch.ones(3, 4)
    x[0, 1], x[1, 2] = torch.nan, torch.inf
    _, scale = quantize_gpu.quantize(x)
    assert scale.isfinite().flatten().tolist() == [False, False, True]


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize("shape", [(2, 1, 96), (1, 1, 96), (96,)])
def test_modulate(shape: tuple[int, ...], dtype: torch.dtype, tolerance: float) -> None:
    x, shift, scale = (
        t.to(dtype) for t in (torch.randn(2, 3, 96) * 3 + 1, torch.randn(shape), torch.randn(shape))
    )
    expected = modulate_reference.modulate(x.double(), shift.double(), scale.double(), 1e-6)
    got = modulate_gpu.modulate(x, shift, scale, 1e-6)
    torch.testing.assert_close(got.double(), expected, rtol=tolerance, atol=tolerance)


def test_modulate_and_quantize_are_what_both_are_alone() -> None:
    wide, vector = torch.randn(2, 3, 200) * 3 + 1, torch.randn(2, 1, 100)
    x = wide[..., :100]
    codes, scale = modulate_gpu.modulate_quantize(x, vector, vector, 1e-6)
    alone_codes, alone_scale = quantize_reference.quantize(modulate_gpu.modulate(x, vector, vector, 1e-6))
    assert torch.equal(codes, alone_codes)
    assert torch.equal(scale, alone_scale)
    expected_codes, expected_scale = modulate_reference.modulate_quantize(x, vector, vector, 1e-6)
    torch.testing.assert_close(scale, expected_scale)
    assert int((codes.short() - expected_codes.short()).abs().max()) <= 1


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize("interleaved", [True, False])
def test_qk_rope(interleaved: bool, dtype: torch.dtype, tolerance: float) -> None:
    qkv = torch.randn(2, 3, 3 * 7, 32).to(dtype)
    qk = qkv[:, :, : 2 * 7]  # as a projection leaves it: the values lie behind
    weights = (torch.randn(32).to(dtype), torch.randn(32).to(dtype))
    angle = torch.randn(3, 16)
    vectors = (*weights, angle.cos(), angle.sin())
    expected = qk_rope_reference.qk_rope(qk.double(), 7, *vectors, 1e-6, interleaved)
    for got, exact in zip(qk_rope_gpu.qk_rope(qk, 7, *vectors, 1e-6, interleaved), expected, strict=True):
        assert got.dtype == dtype
        torch.testing.assert_close(got.double(), exact, rtol=tolerance, atol=tolerance)


def test_what_qk_rope_leaves_to_the_reference() -> None:
    assert qk_rope_gpu.suits(torch.empty(1, 1, 2, 128))
    assert not qk_rope_gpu.suits(torch.empty(1, 1, 2, 96))
    assert not qk_rope_gpu.suits(torch.empty(1, 1, 2, 64, dtype=torch.float64))


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
def test_swiglu(dtype: torch.dtype, tolerance: float) -> None:
    x = torch.randn(2, 3, 2 * 1100).to(dtype) * 3
    expected = swiglu_reference.swiglu(x.double())
    beside = torch.full((2, 3, 1200), torch.nan, dtype=dtype)
    by_channel = torch.empty(1100, 3, 2, dtype=dtype).transpose(0, 2)
    for out in (torch.empty(2, 3, 1100, dtype=dtype), beside[..., 100:], by_channel):
        assert swiglu_gpu.swiglu(x, out) is out
        torch.testing.assert_close(out.double(), expected, rtol=tolerance, atol=tolerance)
    assert beside[..., :100].isnan().all()
    one = swiglu_gpu.swiglu(x[0, 0], torch.empty(1100, dtype=dtype))
    assert torch.equal(one, beside[0, 0, 100:])


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize("shape", [(2, 1, 1100), (1, 1, 1100), (1100,)])
def test_gated_residual(shape: tuple[int, ...], dtype: torch.dtype, tolerance: float) -> None:
    x, y, gate = (t.to(dtype) for t in (torch.randn(2, 5, 1100), torch.randn(2, 3, 1100), torch.randn(shape)))
    x = x[:, 2:]
    expected = gated_residual_reference.gated_residual(x.double(), gate.double(), y.double())
    got = gated_residual_gpu.gated_residual(x, gate, y)
    torch.testing.assert_close(got.double(), expected, rtol=tolerance, atol=tolerance)
