"""Large weights, which stay packed: every call unpacks them."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from imagegen_kernels import matmul, matmul_swiglu
from imagegen_kernels.formats import (
    PackedWeight,
    pack_base3,
    pack_ternary,
    quantize_binary,
    quantize_int4,
    quantize_int8,
    quantize_ternary,
)
from imagegen_kernels.matmul import avx2, blocked, cpu, reference, unpacking
from imagegen_kernels.matmul_swiglu import reference as specification


def in_base3(weight: PackedWeight) -> PackedWeight:
    """As an imported model's files hold it."""
    return replace(weight, packed=pack_base3(weight.codes), base3=True)


WEIGHTS: dict[str, Callable[[Tensor], PackedWeight]] = {
    "binary": quantize_binary,
    "ternary": quantize_ternary,
    "int4": quantize_int4,
    "int8": quantize_int8,
    "int4 with zero points": lambda dense: quantize_int4(dense, 64, True),
    "int4 in groups of 32": lambda dense: quantize_int4(dense, 32),
    "int4, a scale a row": lambda dense: quantize_int4(dense, dense.shape[1], True),
    "ternary in groups of 256": lambda dense: quantize_ternary(dense, 256),
    "ternary in base 3": lambda dense: in_base3(quantize_ternary(dense)),
    "ternary, a scale a row": lambda dense: quantize_ternary(dense, dense.shape[1]),
    "int8 in groups of 128": lambda dense: quantize_int8(dense, 128),
}


IS_EXACT = cpu.is_exact


@pytest.fixture(autouse=True, params=["int_mm", "avx2"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to multiply, whichever this CPU would take; nothing is small."""
    chosen: str = request.param
    codes = torch.full((32, 64), 127, dtype=torch.int8)
    if chosen == "avx2" and not avx2.is_exact():
        pytest.skip("this CPU has no AVX2")
    if chosen == "int_mm" and not torch.equal(torch._int_mm(codes, codes.T), codes.int() @ codes.int().T):
        pytest.skip("this CPU has no exact 8-bit product")
    monkeypatch.setattr(cpu, "is_exact", lambda: chosen == "int_mm")
    monkeypatch.setattr(cpu, "KEPT_CODES", 0)
    monkeypatch.setattr(blocked, "TOKENS", 48)
    monkeypatch.setattr(unpacking, "ROWS", 64)
    return chosen


def dense(n: int = 192, k: int = 512) -> Tensor:
    """Rows whose groups differ in size, and a group of zeros."""
    weight = torch.randn(n, k) * torch.rand(n, k // 128).add_(0.2).repeat_interleave(128, dim=1)
    weight[5, 128:256] = 0
    return weight


@pytest.mark.parametrize("name", WEIGHTS)
def test_unpacked_codes_are_the_folded_ones(name: str) -> None:
    weight = WEIGHTS[name](dense())
    codes, row_scale = reference.fold(weight)
    unpacked = unpacking.Unpacked(weight)
    assert torch.equal(unpacked.row_scale, row_scale)
    for rows in (slice(0, 192), slice(64, 128), slice(128, 192)):
        assert torch.equal(unpacked.codes(rows), codes[rows])


def test_a_group_of_zeros_has_no_say_in_the_scale_of_its_row() -> None:
    codes = torch.zeros(64, 256, dtype=torch.int8)
    codes[:, 128:] = 1
    scales = torch.tensor([[60000.0, 0.5]]).half().repeat(64, 1)
    weight = PackedWeight(pack_ternary(codes), scales, "ternary", (64, 256), 128)
    unpacked = unpacking.Unpacked(weight)
    assert torch.equal(unpacked.codes(slice(0, 64)), codes * 127)
    assert torch.equal(unpacked.row_scale, reference.fold(weight)[1])


@pytest.mark.parametrize("tokens", [1, 7, 31, 32, 48, 49, 97, 150])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_product_is_the_specification_bit_for_bit(tokens: int, dtype: torch.dtype) -> None:
    weight, x = quantize_ternary(dense()), torch.randn(tokens, 512).to(dtype)
    assert torch.equal(matmul(x, weight), reference.matmul(x, weight))
    assert isinstance(weight.prepared["cpu"], unpacking.Unpacked)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_dtypes_and_strides(dtype: torch.dtype) -> None:
    weight, x = quantize_ternary(dense()), torch.randn(512, 9).to(dtype).T
    assert torch.equal(matmul(x, weight), reference.matmul(x, weight))
    out = torch.full((1, 64, 9), torch.nan, dtype=dtype).transpose(1, 2)
    plain, gated = matmul_swiglu(x[None], weight, 64, out=out)
    expected_plain, expected = specification.matmul_swiglu(x[None], weight, 64)
    assert torch.equal(plain, expected_plain)
    assert gated.data_ptr() == out.data_ptr()
    torch.testing.assert_close(gated, expected, rtol=2e-3, atol=2e-3)


def test_a_token_that_is_no_number_spoils_its_own_row_only() -> None:
    weight, x = quantize_ternary(dense()), torch.randn(40, 512)
    x[3, 5] = torch.nan
    found = matmul(x, weight)
    assert found[3].isnan().all()
    assert not found[torch.arange(40) != 3].isnan().any()


@pytest.mark.parametrize("name", WEIGHTS)
def test_every_format_runs(name: str) -> None:
    weight, x, bias = WEIGHTS[name](dense()), torch.randn(2, 37, 512), torch.randn(192)
    assert torch.equal(matmul(x, weight, bias), reference.matmul(x, weight, bias))


def test_a_shape_that_does_not_suit_the_product_is_kept(way: str) -> None:
    weight = quantize_ternary(dense(n=190))
    assert isinstance(cpu.prepared(weight), cpu.Kept if way == "int_mm" else unpacking.Unpacked)
    if way == "avx2":
        x = torch.randn(3, 512)
        assert torch.equal(matmul(x, weight), reference.matmul(x, weight))


def test_columns_that_do_not_suit_avx2_run_the_reference(way: str) -> None:
    weight, x = quantize_int4(torch.randn(64, 160), 32), torch.randn(3, 160)
    assert cpu.suits(weight) == (way == "int_mm")
    if way == "avx2":
        assert torch.equal(matmul(x, weight), reference.matmul(x, weight))


@pytest.mark.parametrize("ahead", [0, 64])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 1.6e-2)])
def test_gates_and_values_become_one(ahead: int, dtype: torch.dtype, tolerance: float) -> None:
    weight, x = quantize_ternary(dense(n=256 + ahead)), torch.randn(2, 101, 512).to(dtype)
    wide = torch.full((2, 101, 200), torch.nan, dtype=dtype)
    plain, gated = matmul_swiglu(x, weight, ahead, out=wide[..., 72:])
    expected_plain, expected = specification.matmul_swiglu(x, weight, ahead)
    assert torch.equal(plain, expected_plain)
    assert gated.data_ptr() == wide[..., 72:].data_ptr()
    torch.testing.assert_close(gated, expected, rtol=tolerance, atol=tolerance)
    assert wide[..., :72].isnan().all()
    torch.testing.assert_close(matmul_swiglu(x, weight, ahead)[1], gated, rtol=0, atol=0)


def test_a_sample_does_not_depend_on_its_batch(threads: int) -> None:
    weight, x = quantize_ternary(dense()), torch.randn(3, 97, 512)
    together = matmul_swiglu(x, weight, 64)
    for i in range(3):
        for one, all_of_them in zip(matmul_swiglu(x[i : i + 1], weight, 64), together, strict=True):
            assert torch.equal(one, all_of_them[i : i + 1])


def test_a_small_weight_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, rows = torch.randn(2, 11, 512), dense()
    large = matmul_swiglu(x, quantize_ternary(rows), 64)
    monkeypatch.setattr(cpu, "KEPT_CODES", 1 << 20)
    monkeypatch.setattr(cpu, "is_exact", IS_EXACT)
    small = matmul_swiglu(x, quantize_ternary(rows), 64)
    for one, other in zip(large, small, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_what_does_not_fit_is_refused() -> None:
    weight = quantize_ternary(dense())
    for x, ahead in ((torch.zeros(3, 512), 0), (torch.zeros(1, 3, 256), 0), (torch.zeros(1, 3, 512), 63)):
        with pytest.raises(ValueError, match="matmul_swiglu with a weight of shape"):
            matmul_swiglu(x, weight, ahead)
    with pytest.raises(ValueError, match="needs out"):
        matmul_swiglu(torch.zeros(1, 3, 512), weight, 64, out=torch.zeros(1, 3, 65))
