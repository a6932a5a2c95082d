"""Packed-weight formats: layout, exact round trips, error bounds, refusals."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from imagegen_kernels.formats import (
    PackedWeight,
    dequantize,
    pack_ternary,
    packed_bytes,
    quantize_int8,
    quantize_ternary,
    unpack_ternary,
)

rows = st.integers(1, 5)
groups = st.integers(1, 4)
seeds = st.integers(0, 2**32 - 1)


def ternary_codes(n: int, k: int, seed: int) -> Tensor:
    return torch.randint(-1, 2, (n, k), dtype=torch.int8, generator=torch.Generator().manual_seed(seed))


def normal(n: int, k: int, seed: int = 0) -> Tensor:
    return torch.randn(n, k, generator=torch.Generator().manual_seed(seed))


@given(rows, groups, seeds)
def test_ternary_codes_come_back(n: int, g: int, seed: int) -> None:
    codes = ternary_codes(n, 128 * g, seed)
    packed = pack_ternary(codes)
    assert packed.dtype == torch.uint8
    assert tuple(packed.shape) == (n, 32 * g)
    assert torch.equal(unpack_ternary(packed), codes)


@given(rows, groups, seeds)
def test_every_valid_byte_comes_back(n: int, g: int, seed: int) -> None:
    valid = [b for b in range(256) if all((b >> s) & 3 != 2 for s in (0, 2, 4, 6))]
    assert len(valid) == 81
    choice = torch.randint(81, (n, 32 * g), generator=torch.Generator().manual_seed(seed))
    packed = torch.tensor(valid, dtype=torch.uint8)[choice]
    assert torch.equal(pack_ternary(unpack_ternary(packed)), packed)


def test_the_layout_is_the_one_on_disk() -> None:
    codes = ternary_codes(2, 256, seed=5)
    packed = pack_ternary(codes)
    bits = {0: 0b00, 1: 0b01, -1: 0b11}
    for n in range(2):
        for g in range(2):
            for j in range(32):
                byte = 0
                for column, shift in ((j, 6), (32 + j, 4), (64 + j, 2), (96 + j, 0)):
                    byte |= bits[int(codes[n, 128 * g + column])] << shift
                assert int(packed[n, 32 * g + j]) == byte


@given(rows, groups, seeds, st.sampled_from([0, 2, 4, 6]), st.data())
def test_the_slot_10_is_refused(n: int, g: int, seed: int, shift: int, data: st.DataObject) -> None:
    packed = pack_ternary(ternary_codes(n, 128 * g, seed))
    row, column = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, 32 * g - 1))
    packed[row, column] = packed[row, column] & ~(3 << shift) & 255 | 2 << shift
    with pytest.raises(ValueError, match=rf"\[{n}, {32 * g}\] hold the slot 10 in 1 rows"):
        unpack_ternary(packed)


@pytest.mark.parametrize("k", [1, 64, 127, 129, 200])
def test_odd_columns_are_refused(k: int) -> None:
    with pytest.raises(ValueError, match=rf"multiple of 128, not shape \[3, {k}\]"):
        pack_ternary(torch.zeros(3, k, dtype=torch.int8))
    with pytest.raises(ValueError, match=rf"multiple of 128, not shape \[3, {k}\]"):
        quantize_ternary(torch.zeros(3, k))
    with pytest.raises(ValueError, match=rf"group size 128 does not divide the columns of shape \[3, {k}\]"):
        quantize_int8(torch.zeros(3, k))


def test_other_dtypes_ranks_and_values_are_refused() -> None:
    with pytest.raises(ValueError, match=r"torch.int8 \[N, K\], not torch.int16 \[2, 128\]"):
        pack_ternary(torch.zeros(2, 128, dtype=torch.int16))
    with pytest.raises(ValueError, match=r"not torch.int8 \[128\]"):
        pack_ternary(torch.zeros(128, dtype=torch.int8))
    for value in (2, -2, 127, -128):
        with pytest.raises(ValueError, match=r"shape \[1, 128\] must be -1, 0 or \+1"):
            pack_ternary(torch.full((1, 128), value, dtype=torch.int8))
    with pytest.raises(ValueError, match=r"torch.uint8 \[N, K/4\], not torch.int8"):
        unpack_ternary(torch.zeros(2, 32, dtype=torch.int8))
    with pytest.raises(ValueError, match=r"multiple of 32, not shape \[2, 33\]"):
        unpack_ternary(torch.zeros(2, 33, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"at least one row"):
        pack_ternary(torch.zeros(0, 128, dtype=torch.int8))
    with pytest.raises(ValueError, match="floating point"):
        quantize_int8(torch.zeros(2, 128, dtype=torch.int32))


@pytest.mark.parametrize("quantize", [quantize_ternary, quantize_int8])
def test_weights_that_no_scale_can_hold_are_refused(quantize: object) -> None:
    assert callable(quantize)
    with pytest.raises(ValueError, match=r"must be finite: shape \[1, 128\]"):
        quantize(torch.full((1, 128), torch.nan))
    with pytest.raises(ValueError, match=r"does not fit float16"):
        quantize(torch.full((1, 128), 1e9))


@given(rows, groups, seeds)
def test_a_ternary_weight_is_a_fixed_point(n: int, g: int, seed: int) -> None:
    weight = quantize_ternary(normal(n, 128 * g, seed))
    again = quantize_ternary(dequantize(weight))
    assert torch.equal(again.packed, weight.packed)
    assert torch.equal(again.scales, weight.scales)


@given(rows, groups, seeds, st.booleans())
def test_an_int8_weight_is_a_fixed_point(n: int, g: int, seed: int, by_row: bool) -> None:
    weight = quantize_int8(normal(n, 128 * g, seed), 128 * g if by_row else 128)
    again = quantize_int8(dequantize(weight), weight.group_size)
    assert torch.equal(again.packed, weight.packed)
    assert torch.equal(again.scales, weight.scales)


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


@given(rows, st.integers(1, 300), seeds, st.floats(1e-9, 1e5))
def test_int8_error_is_bounded_by_the_scale(n: int, k: int, seed: int, size: float) -> None:
    weight = normal(n, k, seed) * size
    packed = quantize_int8(weight, k)
    error = (dequantize(packed, torch.float64) - weight.double()).abs()
    assert bool((error <= packed.scales.double() * 0.57 + 4e-6).all())


def test_dequantized_is_code_times_scale_of_its_group() -> None:
    for weight in (
        quantize_ternary(normal(3, 384)),
        quantize_int8(normal(3, 384)),
        quantize_ternary(normal(3, 384), 384),
    ):
        dense = dequantize(weight, torch.float64)
        for n in range(3):
            for k in (0, 127, 128, 200, 383):
                expected = int(weight.codes[n, k]) * float(weight.scales[n, k // weight.group_size])
                assert float(dense[n, k]) == expected
        assert torch.equal(dequantize(weight, torch.bfloat16), dense.float().bfloat16())


def test_zeros_stay_zero() -> None:
    for weight in (quantize_ternary(torch.zeros(2, 128)), quantize_int8(torch.zeros(2, 128))):
        assert not dequantize(weight).any()


@given(st.sampled_from(["ternary", "int8"]), rows, groups, st.booleans())
def test_packed_bytes_is_what_the_tensors_take(format: str, n: int, g: int, by_row: bool) -> None:
    group_size = 128 * g if by_row else 128
    quantize = quantize_ternary if format == "ternary" else quantize_int8
    weight = quantize(torch.ones(n, 128 * g), group_size)
    assert weight.format == format
    assert packed_bytes(weight.format, n, 128 * g, group_size) == weight.packed.nbytes + weight.scales.nbytes


def test_packed_bytes_of_a_large_layer() -> None:
    assert packed_bytes("ternary", 9216, 3072, 128) == 9216 * 3072 * 2.125 / 8
    with pytest.raises(ValueError, match="unknown weight format 'int3'"):
        packed_bytes("int3", 1, 128, 128)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="multiple of 128, not 64"):
        packed_bytes("ternary", 1, 128, 64)


def test_parts_that_do_not_fit_are_refused() -> None:
    packed, scales = torch.zeros(4, 64, dtype=torch.uint8), torch.ones(4, 2, dtype=torch.float16)
    assert PackedWeight(packed, scales, "ternary", (4, 256), 128).shape == (4, 256)
    with pytest.raises(
        ValueError, match=r"\(4, 512\) needs torch.uint8 \[4, 128\], not torch.uint8 \[4, 64\]"
    ):
        PackedWeight(packed, scales, "ternary", (4, 512), 128)
    with pytest.raises(ValueError, match=r"needs torch.int8 \[4, 256\], not torch.uint8"):
        PackedWeight(packed, scales, "int8", (4, 256), 128)
    with pytest.raises(ValueError, match=r"need torch.float16 \[4, 1\], not torch.float16 \[4, 2\]"):
        PackedWeight(packed, scales, "ternary", (4, 256), 256)
    with pytest.raises(ValueError, match=r"need torch.float16 \[4, 2\], not torch.float32"):
        PackedWeight(packed, scales.float(), "ternary", (4, 256), 128)
    with pytest.raises(ValueError, match="must be finite"):
        PackedWeight(packed, scales * torch.inf, "ternary", (4, 256), 128)
    with pytest.raises(ValueError, match="on cpu, its scales on meta"):
        PackedWeight(packed, scales.to("meta"), "ternary", (4, 256), 128)
