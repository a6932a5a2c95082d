"""The quantised product: the bits of the specification, whatever follows it."""

import pytest
import torch
from torch import Tensor

from imagegen_kernels.formats import PackedWeight, pack_base3
from imagegen_kernels.gated_residual.reference import gated_residual
from imagegen_kernels.matmul import gpu, reference
from imagegen_kernels.modulate import Modulated
from imagegen_kernels.modulate.gpu import modulate
from imagegen_kernels.quantize.gpu import quantize
from imagegen_kernels.swiglu.reference import swiglu
from tests.imagegen_kernels.test_matmul import KINDS, weight_of


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 128), (17, 33, 384)])
def test_it_is_the_specification_bit_for_bit(kind: str, m: int, n: int, k: int) -> None:
    x, weight = torch.randn(m, k), weight_of(kind, n, k)
    assert torch.equal(gpu.linear(x, gpu.prepared(weight)), reference.matmul(x, weight))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 2**-6), (torch.float16, 0)])
def test_narrow_activations(dtype: torch.dtype, tolerance: float) -> None:
    """The interpreter cuts bfloat16 off where a card rounds."""
    x, weight, bias = torch.randn(5, 256).to(dtype), weight_of("ternary-128", 40, 256), torch.randn(40)
    got = gpu.linear(x, gpu.prepared(weight), bias)
    assert got.dtype == dtype
    expected = reference.matmul(x, weight, bias)
    torch.testing.assert_close(got, expected, rtol=0, atol=tolerance * float(expected.abs().max()))


@pytest.mark.parametrize("k", [1, 33, 130])
def test_int8_rows_take_any_number_of_columns(k: int) -> None:
    x, weight = torch.randn(3, k), weight_of("int8-row", 9, k)
    assert torch.equal(gpu.linear(x, gpu.prepared(weight)), reference.matmul(x, weight))


def test_a_group_may_be_several_runs_and_a_weight_in_base_3() -> None:
    x, weight = torch.randn(3, 512), weight_of("ternary-256", 9, 512)
    expected = reference.matmul(x, weight)
    assert torch.equal(gpu.linear(x, gpu.prepared(weight)), expected)
    base3 = PackedWeight(pack_base3(weight.codes), weight.scales, "ternary", weight.shape, 256, base3=True)
    assert torch.equal(gpu.linear(x, gpu.prepared(base3)), expected)


def test_strides_that_are_not_dense() -> None:
    wide, weight = torch.randn(7, 3, 256), weight_of("binary-128", 33, 256)
    assert torch.equal(gpu.linear(wide[:, 1], gpu.prepared(weight)), reference.matmul(wide[:, 1], weight))
    by_column = torch.randn(256, 7).T
    assert torch.equal(gpu.linear(by_column, gpu.prepared(weight)), reference.matmul(by_column, weight))


def product(x: Tensor, weight: PackedWeight, out: Tensor, **more: object) -> None:
    codes, scale = quantize(x)
    gpu.product(codes, scale, gpu.prepared(weight), out, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["ternary-128", "binary-128", "int4-128", "int8-row"])
def test_gates_and_values_become_one_beside_what_is_there(kind: str) -> None:
    x, weight = torch.randn(19, 256), weight_of(kind, 8 + 2 * 21, 256)
    both = torch.full((19, 30), torch.nan)
    product(x, weight, both[:, 9:], first=8, swiglu=True)
    assert both[:, :9].isnan().all()
    torch.testing.assert_close(both[:, 9:], swiglu(reference.matmul(x, weight)[:, 8:]), rtol=1e-5, atol=1e-4)
    product(x, weight, both[:, :8])
    assert torch.equal(both[:, :8], reference.matmul(x, weight)[:, :8])


@pytest.mark.parametrize("gates", [1, 2])
def test_it_is_added_to_a_residual(gates: int) -> None:
    x, weight, bias = torch.randn(2, 11, 128), weight_of("ternary-128", 21, 128), torch.randn(21)
    before, gate = torch.randn(2, 11, 21), torch.randn(gates, 1, 21)
    residual = gpu.Residual(before.view(22, 21), gate.view(gates, 21), 11)
    out = torch.empty(22, 21)
    product(x.view(22, 128), weight, out, bias=bias, residual=residual)
    expected = gated_residual(before, gate, reference.matmul(x, weight, bias))
    torch.testing.assert_close(out.view(2, 11, 21), expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 1, 21), (1, 1, 21), (21,)])
def test_a_linear_with_a_residual_whose_rows_lie_apart(shape: tuple[int, ...]) -> None:
    x, weight = torch.randn(2, 11, 128), weight_of("binary-128", 21, 128)
    before, gate = torch.randn(2, 13, 21)[:, 2:], torch.randn(shape)
    got = gpu.linear_residual(x, gpu.prepared(weight), before, gate)
    expected = gated_residual(before, gate, reference.matmul(x, weight))
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-5)


def test_what_is_still_to_be_modulated_is_quantised_at_once() -> None:
    x, shift, scale = torch.randn(2, 5, 256) * 3 + 1, torch.randn(2, 1, 256), torch.randn(256)
    weight = weight_of("ternary-128", 8 + 2 * 9, 256)
    values, waiting = modulate(x, shift, scale, 1e-6), Modulated(x, shift, scale, 1e-6)
    # The same kernel without the quantisation: then the same codes.
    expected = reference.matmul(values, weight)
    assert torch.equal(gpu.linear(waiting, gpu.prepared(weight)), expected)
    plain, gated = torch.empty(2, 5, 8), torch.empty(2, 5, 9)
    gpu.linear_swiglu(waiting, gpu.prepared(weight), plain, gated)
    assert torch.equal(plain, expected[..., :8])
    with pytest.raises(ValueError, match="modulate needs"):
        gpu.linear(Modulated(x, shift[0, 0, :9], scale, 1e-6), gpu.prepared(weight))


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_token_that_is_not_finite_spoils_only_itself() -> None:
    x, weight = torch.randn(4, 128), weight_of("ternary-128", 8, 128)
    clean = gpu.linear(x, gpu.prepared(weight))
    x[1, 3], x[2, 7] = torch.nan, torch.inf
    got = gpu.linear(x, gpu.prepared(weight))
    assert not got[1:3].isfinite().any()
    assert torch.equal(got[::3], clean[::3])


def test_the_largest_codes_do_not_overflow() -> None:
    x = torch.full((2, 12288), 1.0)
    x[1, ::3] = -1
    weight = weight_of("binary-row", 3, 12288)
    assert torch.equal(gpu.linear(x, gpu.prepared(weight)), reference.matmul(x, weight))


@pytest.mark.parametrize("ahead", [0, 9])
def test_a_fused_linear_writes_into_something_wider(ahead: int) -> None:
    x, weight = torch.randn(2, 5, 128), weight_of("ternary-128", ahead + 2 * 21, 128)
    expected = reference.matmul(x, weight)
    both = torch.full((2, 6, 30), torch.nan)
    by_channel = torch.empty(21, 5, 2).transpose(0, 2)
    for gated in (both[:, 1:, 9:], by_channel):  # rows that do not lie at one distance; no dense row
        plain = torch.empty(2, 5, ahead)
        gpu.linear_swiglu(x, gpu.prepared(weight), plain, gated)
        assert torch.equal(plain, expected[..., :ahead])
        torch.testing.assert_close(gated, swiglu(expected[..., ahead:]), rtol=1e-5, atol=1e-4)
    assert both[:, 0].isnan().all()
    assert both[..., :9].isnan().all()


def test_no_tokens() -> None:
    weight = weight_of("ternary-128", 8, 128)
    assert tuple(gpu.linear(torch.empty(0, 128), gpu.prepared(weight)).shape) == (0, 8)
