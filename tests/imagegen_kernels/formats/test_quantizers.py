"""Quantisers: fixed points, error bounds, the least squared error, refusals."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from imagegen_kernels.formats import (
    PackedWeight,
    dequantize,
    pack_binary,
    pack_int4,
    pack_ternary,
    quantize_binary,
    quantize_int4,
    quantize_int8,
    quantize_ternary,
)
from tests.imagegen_kernels.formats.drawn import (
    drawn_codes,
    groups,
    normal,
    patient,
    relative_error,
    rows,
    seeds,
)


def quantize_int4_zero_points(weight: Tensor, group_size: int = 128) -> PackedWeight:
    return quantize_int4(weight, group_size, zero_points=True)


ALL = pytest.mark.parametrize(
    "quantize",
    [quantize_binary, quantize_ternary, quantize_int4, quantize_int4_zero_points, quantize_int8],
)


@ALL
@pytest.mark.parametrize(("size", "group_size"), [(1, 128), (1e-3, 128), (30, 384)])
def test_codes_and_scales_are_those_of_the_packed_weight(
    quantize: Callable[[Tensor, int], PackedWeight], size: float, group_size: int
) -> None:
    weight = normal(5, 384) * size
    packed = quantize(weight, group_size)
    assert packed.shape == (5, 384)
    assert packed.group_size == group_size
    assert relative_error(dequantize(packed), weight) < 0.7
    assert torch.equal(packed.codes, quantize(weight.double(), group_size).codes)


@ALL
def test_zeros_stay_zero(quantize: Callable[[Tensor], PackedWeight]) -> None:
    assert not dequantize(quantize(torch.zeros(2, 128))).any()


@ALL
def test_weights_that_no_scale_can_hold_are_refused(quantize: Callable[[Tensor], PackedWeight]) -> None:
    for wrong in (torch.nan, torch.inf, -torch.inf):
        with pytest.raises(ValueError, match=r"must be finite: shape \[1, 128\]"):
            quantize(torch.full((1, 128), wrong))
    with pytest.raises(ValueError, match="does not fit float16"):
        quantize(torch.full((1, 128), 1e9))
    with pytest.raises(ValueError, match=r"floating point \[N, K\], not torch.int32"):
        quantize(torch.zeros(2, 128, dtype=torch.int32))
    with pytest.raises(ValueError, match=r"not torch.float32 \[128\]"):
        quantize(torch.zeros(128))
    with pytest.raises(ValueError, match=r"at least one row"):
        quantize(torch.zeros(0, 128))


@pytest.mark.parametrize("k", [1, 64, 127, 129, 200])
def test_odd_columns_are_refused(k: int) -> None:
    for quantize in (quantize_binary, quantize_ternary):
        with pytest.raises(ValueError, match=rf"multiple of 128, not shape \[3, {k}\]"):
            quantize(torch.zeros(3, k))
    for quantize in (quantize_int4, quantize_int8):
        with pytest.raises(ValueError, match=rf"not.*shape \[3, {k}\]"):
            quantize(torch.zeros(3, k))


@patient
@given(rows, groups, seeds)
def test_binary_and_ternary_weights_are_fixed_points(n: int, g: int, seed: int) -> None:
    codes, scales = drawn_codes(-1, 1, n, 128 * g, seed), normal(n, g, seed).abs().half()
    binary = PackedWeight(pack_binary(codes.sign() | 1), scales, "binary", (n, 128 * g), 128)
    assert torch.equal(dequantize(quantize_binary(dequantize(binary))), dequantize(binary))
    ternary = PackedWeight(pack_ternary(codes), scales, "ternary", (n, 128 * g), 128)
    assert torch.equal(dequantize(quantize_ternary(dequantize(ternary))), dequantize(ternary))


@patient
@given(rows, groups, seeds, st.sampled_from([32, 64, 128]), st.booleans())
def test_an_int4_weight_that_uses_its_range_is_a_fixed_point(
    n: int, g: int, seed: int, group_size: int, zero_points: bool
) -> None:
    k = group_size * g
    codes = drawn_codes(-8, 7, n, k, seed)
    codes[:, ::group_size], codes[:, 1::group_size] = -8, 7
    zeros = drawn_codes(-8, 7, n, g, seed) if zero_points else None
    # Powers of two: a code times any other scale is rounded before min-max sees it.
    scales = torch.exp2(normal(n, g, seed).round()).half()
    weight = PackedWeight(pack_int4(codes), scales, "int4", (n, k), group_size, zeros)
    again = quantize_int4(dequantize(weight), group_size, zero_points)
    assert torch.equal(dequantize(again), dequantize(weight))
    assert torch.equal(again.packed, weight.packed)


@patient
@given(rows, groups, seeds, st.booleans())
def test_an_int8_weight_is_a_fixed_point(n: int, g: int, seed: int, by_row: bool) -> None:
    weight = quantize_int8(normal(n, 128 * g, seed), 128 * g if by_row else 128)
    again = quantize_int8(dequantize(weight), weight.group_size)
    assert torch.equal(again.packed, weight.packed)
    assert torch.equal(again.scales, weight.scales)


def test_binary_is_the_best_scale_and_the_best_signs() -> None:
    weight = normal(4, 128)
    packed = quantize_binary(weight)
    least = (dequantize(packed) - weight).square().sum()
    for change in (0.99, 1.01):
        scaled = PackedWeight(packed.packed, packed.scales * change, "binary", (4, 128), 128)
        assert (dequantize(scaled) - weight).square().sum() > least
    assert bool((packed.codes == weight.sign()).all())
    assert relative_error(dequantize(quantize_binary(normal(64, 1024))), normal(64, 1024)) < 0.605


def test_ternary_is_the_best_of_all_thresholds() -> None:
    weight = normal(4, 128)
    error = (dequantize(quantize_ternary(weight)) - weight).square().sum(dim=1)
    for row, got in zip(weight, error, strict=True):
        ordered = row.abs().sort(descending=True).values
        every = [
            (ordered[:k] - ordered[:k].mean()).square().sum() + ordered[k:].square().sum()
            for k in range(1, 129)
        ]
        torch.testing.assert_close(got, torch.stack(every).min(), rtol=1e-4, atol=0)


@patient
@given(rows, groups, seeds, st.sampled_from([32, 64, 128]), st.booleans(), st.floats(-2, 2))
def test_int4_without_refinement_is_off_by_little_more_than_half_a_scale(
    n: int, g: int, seed: int, group_size: int, zero_points: bool, lean: float
) -> None:
    weight = normal(n, group_size * g, seed) + lean
    packed = quantize_int4(weight, group_size, zero_points, refine=False)
    error = (dequantize(packed) - weight).abs().view(n, g, group_size)
    # Half from the code; at the ends half again where the zero point was rounded, and what float16 cost.
    bound = packed.scales.float().unsqueeze(-1) * (1.02 if zero_points else 0.51)
    assert bool((error <= bound).all())


@patient
@given(rows, groups, seeds, st.sampled_from([32, 64, 128]), st.booleans(), st.floats(-2, 2))
def test_refinement_is_never_worse(
    n: int, g: int, seed: int, group_size: int, zero_points: bool, lean: float
) -> None:
    weight = normal(n, group_size * g, seed) + lean
    plain, refined = (
        (dequantize(quantize_int4(weight, group_size, zero_points, refine)) - weight)
        .view(n, g, -1)
        .square()
        .sum(dim=-1)
        for refine in (False, True)
    )
    assert bool((refined <= plain * (1 + 1e-6)).all())


@pytest.mark.parametrize(
    ("group_size", "zero_points", "refine", "percent"),
    [
        (32, False, True, 8.64),
        (64, False, True, 9.50),
        (128, False, False, 11.19),
        (128, False, True, 10.12),
        (128, True, False, 10.07),
        (128, True, True, 9.52),
    ],
)
def test_int4_of_normal_weights_is_as_exact_as_stated(
    group_size: int, zero_points: bool, refine: bool, percent: float
) -> None:
    weight = normal(64, 3072)
    error = relative_error(dequantize(quantize_int4(weight, group_size, zero_points, refine)), weight)
    assert error == pytest.approx(percent / 100, rel=0.02)


def test_zero_points_serve_weights_that_lean_to_one_side() -> None:
    weight = normal(4, 256).abs()
    symmetric, shifted = quantize_int4(weight), quantize_int4(weight, zero_points=True)
    assert relative_error(dequantize(shifted), weight) < 0.6 * relative_error(dequantize(symmetric), weight)


@patient
@given(rows, st.integers(1, 300), seeds, st.floats(1e-9, 1e5))
def test_int8_error_is_bounded_by_the_scale(n: int, k: int, seed: int, size: float) -> None:
    weight = normal(n, k, seed) * size
    packed = quantize_int8(weight, k)
    error = (dequantize(packed, torch.float64) - weight.double()).abs()
    assert bool((error <= packed.scales.double() * 0.57 + 4e-6).all())
