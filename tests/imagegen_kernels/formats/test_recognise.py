"""Weights that are binary or ternary already: found, packed without loss, and everything else refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imagegen_kernels.formats import Misfit, PackedWeight, dequantize, recognise
from tests.imagegen_kernels.formats.drawn import drawn_codes, groups, normal, patient, rows, seeds


def dense(codes: torch.Tensor, seed: int, group_size: int, dtype: torch.dtype) -> torch.Tensor:
    scales = normal(codes.shape[0], codes.shape[1] // group_size, seed).abs().add(0.01)
    scales = scales.bfloat16().half()  # exact in every dtype
    return codes.to(dtype) * scales.to(dtype).repeat_interleave(group_size, dim=1)


@patient
@given(
    rows,
    groups,
    seeds,
    st.sampled_from([128, 256]),
    st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]),
    st.booleans(),
)
def test_what_is_exact_comes_back_exact(
    n: int, g: int, seed: int, group_size: int, dtype: torch.dtype, binary: bool
) -> None:
    codes = drawn_codes(-1, 1, n, group_size * g, seed)
    weight = dense(codes.sign() | 1 if binary else codes, seed, group_size, dtype)
    packed = recognise(weight, group_size)
    assert isinstance(packed, PackedWeight)
    assert packed.format == ("binary" if binary else "ternary")
    assert torch.equal(dequantize(packed, dtype), weight)


def test_groups_of_zeros_fit_either_format() -> None:
    codes = torch.ones(2, 256, dtype=torch.int8)
    codes[1, 128:] = 0
    weight = dense(codes, 0, 128, torch.float16)
    packed = recognise(weight)
    assert isinstance(packed, PackedWeight)
    assert packed.format == "binary"
    assert torch.equal(dequantize(packed, torch.float16), weight)
    zeros = recognise(torch.zeros(2, 128))
    assert isinstance(zeros, PackedWeight)
    assert not dequantize(zeros).any()


def test_the_smallest_and_the_largest_scale_are_kept() -> None:
    weight = torch.tensor([[2.0**-24], [65504.0]]).expand(2, 128)
    packed = recognise(weight)
    assert isinstance(packed, PackedWeight)
    assert torch.equal(dequantize(packed), weight)


@patient
@given(rows, groups, seeds, st.data())
def test_the_offending_group_is_named(n: int, g: int, seed: int, data: st.DataObject) -> None:
    weight = dense(drawn_codes(-1, 1, n, 128 * g, seed), seed, 128, torch.float16)
    row, column = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, 128 * g - 1))
    weight[row, column] = 7
    start = column // 128 * 128
    misfit = recognise(weight)
    assert isinstance(misfit, Misfit)
    assert (misfit.row, misfit.start, misfit.stop) == (row, start, start + 128)
    assert misfit.why.startswith("holds 2 magnitudes, ")
    assert str(misfit).startswith(f"row {row}, columns {start} to {start + 127}: holds 2 magnitudes")


@pytest.mark.parametrize("scale", [0.1, 1e-9, 1e9, 1 + 2**-20])
def test_a_scale_that_is_no_float16_is_a_misfit(scale: float) -> None:
    misfit = recognise(torch.full((1, 128), scale))
    assert isinstance(misfit, Misfit)
    assert "which is no float16" in misfit.why


def test_a_group_too_wide_for_its_scales_is_a_misfit() -> None:
    weight = dense(drawn_codes(-1, 1, 4, 256, 0), 0, 128, torch.float16)
    assert isinstance(recognise(weight), PackedWeight)
    assert isinstance(recognise(weight, 256), Misfit)


def test_a_dense_weight_is_a_misfit() -> None:
    misfit = recognise(normal(2, 128))
    assert isinstance(misfit, Misfit)
    assert misfit.why.startswith("holds 128 magnitudes")


def test_shapes_dtypes_and_values_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match=r"multiple of 128, not shape \[2, 100\]"):
        recognise(torch.zeros(2, 100))
    with pytest.raises(ValueError, match="floating point"):
        recognise(torch.zeros(2, 128, dtype=torch.int8))
    with pytest.raises(ValueError, match="must be finite"):
        recognise(torch.full((2, 128), torch.nan))
