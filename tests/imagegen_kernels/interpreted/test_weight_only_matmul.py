"""The weight-only product: codes exact, sums in float32. In float16, because the interpreter multiplies
bfloat16 wrongly."""

import pytest
import torch
import triton
import triton.language as tl

from imagegen_kernels import card
from imagegen_kernels.formats import PackedWeight, pack_base3
from imagegen_kernels.weight_only_matmul import gpu, gpu_kernels, reference
from tests.imagegen_kernels.test_matmul import KINDS, weight_of


def check(x: torch.Tensor, weight: PackedWeight, bias: torch.Tensor | None = None) -> None:
    expected = reference.weight_only_matmul(x.float(), weight, bias)
    got = gpu.linear(x, gpu.prepared(weight), bias)
    assert got.dtype == x.dtype
    torch.testing.assert_close(got.float(), expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("kind", [*KINDS, "int4-64", "int4_zero_points-32", "int4_zero_points-row"])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (17, 33)])
def test_it_is_the_specification(kind: str, m: int, n: int) -> None:
    weight = weight_of(kind, n, 384)
    check(torch.randn(m, 384).half() / 8, weight)
    check(torch.randn(2, m, 384).half() / 8, weight, torch.randn(n))


@pytest.mark.parametrize("k", [1, 33, 130])
def test_int8_rows_take_any_number_of_columns(k: int) -> None:
    check(torch.randn(3, k).half() / 8, weight_of("int8-row", 9, k))


@triton.jit  # type: ignore[untyped-decorator]
def unpacked(packed, zero, out, BITS: tl.constexpr):  # type: ignore[no-untyped-def]
    """Four rows of 128 columns."""
    KIND: tl.constexpr = out.dtype.element_ty
    row, byte, column = tl.arange(0, 4), tl.arange(0, 16 * BITS), tl.arange(0, 128)
    codes = tl.load(packed + row[:, None] * (16 * BITS) + byte[None, :])
    if BITS == 1:
        values = gpu_kernels._binary(codes, KIND, 4, False)
    elif BITS == 2:
        values = gpu_kernels._ternary(codes, KIND, 4, False)
    else:
        values = gpu_kernels._int4(codes, tl.load(zero + row), KIND, 4, 128, False)
    tl.store(out + row[:, None] * 128 + column[None, :], values)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("binary-128", torch.float16),
        ("binary-128", torch.bfloat16),
        ("ternary-128", torch.float16),
        ("ternary-128", torch.bfloat16),
        # In bfloat16 the interpreter cannot subtract; test_assembly.py has what it is subtracted from.
        ("int4_zero_points-128", torch.float16),
    ],
)
def test_every_code_is_exact(kind: str, dtype: torch.dtype) -> None:
    weight, out = weight_of(kind, 4, 128), torch.full((4, 128), torch.nan, dtype=dtype)
    zero = weight.packed if weight.zero_points is None else weight.zero_points
    unpacked[(1,)](weight.packed, zero, out, weight.packed.shape[1] // 16)
    assert torch.equal(out.float() / (1 if kind.startswith("int4") else 2), weight.codes.float())


def test_strides_that_are_not_dense_and_base_3() -> None:
    wide, weight = torch.randn(7, 3, 256).half() / 8, weight_of("ternary-256", 33, 256)
    base3 = PackedWeight(pack_base3(weight.codes), weight.scales, "ternary", weight.shape, 256, base3=True)
    check(wide[:, 1], weight)
    check((torch.randn(256, 7).half() / 8).T, base3)


def test_no_tokens() -> None:
    weight = gpu.prepared(weight_of("int4-32", 8, 128))
    assert tuple(gpu.linear(torch.empty(0, 128, dtype=torch.float16), weight).shape) == (0, 8)


def test_the_proof_holds_and_finds_a_wrong_product(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device
    monkeypatch.setattr(torch, "device", lambda *names: device("cpu"))
    monkeypatch.setattr(
        card, "tile", lambda product, device: card.Tile(tokens=64, rows=64, warps=4, stages=2)
    )
    assert gpu.holds.__wrapped__(0, "int4", torch.float16)
    right = gpu.linear
    monkeypatch.setattr(gpu, "linear", lambda x, weight: right(x, weight).roll(1, dims=-1))
    assert not gpu.holds.__wrapped__(0, "int4", torch.float16)
