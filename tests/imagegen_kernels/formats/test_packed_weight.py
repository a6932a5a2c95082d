"""A packed weight: its parts, its bytes, and what it stands for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from imagegen_kernels import matmul
from imagegen_kernels.formats import (
    Format,
    PackedWeight,
    check_layout,
    dequantize,
    pack_base3,
    pack_int4,
    pack_ternary,
    packed_bytes,
    quantize_binary,
    quantize_int4,
    quantize_int8,
    quantize_ternary,
)
from tests.imagegen_kernels.formats.drawn import drawn_codes, groups, normal, patient, rows

QUANTIZE: dict[Format, Callable[[Tensor, int], PackedWeight]] = {
    "binary": quantize_binary,
    "ternary": quantize_ternary,
    "int4": quantize_int4,
    "int8": quantize_int8,
}


@pytest.mark.parametrize("format", QUANTIZE)
@pytest.mark.parametrize("group_size", [128, 384])
def test_dequantized_is_code_times_scale_of_its_group(format: Format, group_size: int) -> None:
    weight = QUANTIZE[format](normal(3, 384), group_size)
    assert weight.format == format
    dense = dequantize(weight, torch.float64)
    for n in range(3):
        for k in (0, 127, 128, 200, 383):
            expected = int(weight.codes[n, k]) * float(weight.scales[n, k // group_size])
            assert float(dense[n, k]) == expected
    assert torch.equal(dequantize(weight), dense.float())
    assert torch.equal(dequantize(weight).double(), dense)
    assert torch.equal(dequantize(weight, torch.bfloat16), dense.float().bfloat16())
    if format in ("binary", "ternary"):
        assert torch.equal(dequantize(weight, torch.float16).double(), dense)


def test_zero_points_are_taken_off_the_codes() -> None:
    codes = drawn_codes(-8, 7, 2, 64, seed=3)
    zeros = torch.tensor([[-8, 7], [0, 3]], dtype=torch.int8)
    scales = torch.tensor([[0.5, 2], [1, 0.25]], dtype=torch.float16)
    weight = PackedWeight(pack_int4(codes), scales, "int4", (2, 64), 32, zeros)
    expected = codes.int() - zeros.int().repeat_interleave(32, dim=1)
    assert torch.equal(weight.codes.int(), expected)
    assert int(weight.codes.max()) > 7
    assert torch.equal(dequantize(weight), expected * scales.float().repeat_interleave(32, dim=1))


@pytest.mark.parametrize(("rows", "columns"), [(1, 128), (256, 384), (600, 128)])
def test_base_3_becomes_slots_some_rows_at_a_time(rows: int, columns: int) -> None:
    codes = drawn_codes(-1, 1, rows, columns, seed=5)
    scales = torch.ones(rows, columns // 128, dtype=torch.float16)
    stored = PackedWeight(pack_base3(codes), scales, "ternary", (rows, columns), 128, base3=True)
    slots = stored.in_slots()
    assert not slots.base3
    assert torch.equal(slots.packed, pack_ternary(codes))
    assert slots.scales is scales


def test_base_3_stands_for_the_same_weight() -> None:
    weight = quantize_ternary(normal(3, 256))
    stored = PackedWeight(pack_base3(weight.codes), weight.scales, "ternary", (3, 256), 128, base3=True)
    assert stored.packed.shape == (3, 52)
    assert torch.equal(stored.codes, weight.codes)
    assert torch.equal(dequantize(stored), dequantize(weight))
    assert weight.in_slots() is weight
    tokens = normal(5, 256)
    assert torch.equal(matmul(tokens, stored), matmul(tokens, weight))
    with pytest.raises(ValueError, match=r"needs torch.uint8 \[3, 52\], not torch.uint8 \[3, 64\]"):
        PackedWeight(weight.packed, weight.scales, "ternary", (3, 256), 128, base3=True)
    with pytest.raises(ValueError, match=r"binary weight .* is not stored in base 3"):
        PackedWeight(stored.packed, stored.scales, "binary", (3, 256), 128, base3=True)
    wrong = stored.packed.clone()
    wrong[1, 2] = 243
    with pytest.raises(ValueError, match="bytes above 242"):
        PackedWeight(wrong, stored.scales, "ternary", (3, 256), 128, base3=True)


@patient
@given(st.sampled_from(list(QUANTIZE)), rows, groups, st.booleans())
def test_packed_bytes_is_what_the_tensors_take(format: Format, n: int, g: int, by_row: bool) -> None:
    group_size = 128 * g if by_row else 128
    weight = QUANTIZE[format](torch.ones(n, 128 * g), group_size)
    assert packed_bytes(format, n, 128 * g, group_size) == weight.packed.nbytes + weight.scales.nbytes


def test_packed_bytes_of_a_large_layer() -> None:
    for format, bits in (("binary", 1.125), ("ternary", 2.125), ("int4", 4.125), ("int8", 8.125)):
        assert packed_bytes(format, 9216, 3072, 128) == 9216 * 3072 * bits / 8  # type: ignore[arg-type]
    assert packed_bytes("int4", 9216, 3072, 32, zero_points=True) == 9216 * 3072 * 4.75 / 8
    weight = quantize_int4(normal(2, 128), 32, zero_points=True)
    assert weight.zero_points is not None
    assert packed_bytes("int4", 2, 128, 32, zero_points=True) == sum(
        part.nbytes for part in (weight.packed, weight.scales, weight.zero_points)
    )


def test_layouts_that_no_format_has_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown weight format 'int3': choose one of binary, ternary, int4"):
        packed_bytes("int3", 1, 128, 128)  # type: ignore[arg-type]
    for format, group_size, unit in (("binary", 64, 128), ("ternary", 64, 128), ("int4", 16, 32)):
        with pytest.raises(ValueError, match=f"{format} group size must be a multiple of {unit}"):
            check_layout(format, 1, 128, group_size)
    with pytest.raises(ValueError, match=r"group size 96 does not divide the columns of shape \[1, 128\]"):
        check_layout("int4", 1, 128, 96)
    with pytest.raises(ValueError, match="group size 0"):
        check_layout("int8", 1, 128, 0)


def test_parts_that_do_not_fit_are_refused() -> None:
    packed, scales = torch.zeros(4, 64, dtype=torch.uint8), torch.ones(4, 2, dtype=torch.float16)
    assert PackedWeight(packed, scales, "ternary", (4, 256), 128).shape == (4, 256)
    with pytest.raises(
        ValueError, match=r"\(4, 512\) needs torch.uint8 \[4, 128\], not torch.uint8 \[4, 64\]"
    ):
        PackedWeight(packed, scales, "ternary", (4, 512), 128)
    with pytest.raises(ValueError, match=r"binary .* needs torch.uint8 \[4, 32\], not torch.uint8 \[4, 64\]"):
        PackedWeight(packed, scales, "binary", (4, 256), 128)
    with pytest.raises(ValueError, match=r"needs torch.int8 \[4, 256\], not torch.uint8"):
        PackedWeight(packed, scales, "int8", (4, 256), 128)
    with pytest.raises(ValueError, match=r"need torch.float16 \[4, 1\], not torch.float16 \[4, 2\]"):
        PackedWeight(packed, scales, "ternary", (4, 256), 256)
    with pytest.raises(ValueError, match=r"need torch.float16 \[4, 2\], not torch.float32"):
        PackedWeight(packed, scales.float(), "ternary", (4, 256), 128)
    with pytest.raises(ValueError, match="on cpu, its scales on meta"):
        PackedWeight(packed, scales.to("meta"), "ternary", (4, 256), 128)


@pytest.mark.parametrize("scale", [torch.inf, -torch.inf, torch.nan, -1.0])
@pytest.mark.parametrize("format", QUANTIZE)
def test_scales_that_mean_nothing_are_refused(format: Format, scale: float) -> None:
    weight = QUANTIZE[format](normal(4, 256), 128)
    scales = weight.scales.clone()
    scales[2, 1] = scale
    with pytest.raises(ValueError, match=rf"{format} weight of shape \(4, 256\) must be finite and not neg"):
        PackedWeight(weight.packed, scales, format, (4, 256), 128)


def test_zero_points_that_mean_nothing_are_refused() -> None:
    packed, scales = torch.zeros(4, 32, dtype=torch.uint8), torch.ones(4, 2, dtype=torch.float16)
    zeros = torch.zeros(4, 2, dtype=torch.int8)
    for wrong in (8, -9, 127, -128):
        with pytest.raises(ValueError, match=r"zero points of an int4 weight .* must be -8..7"):
            PackedWeight(packed, scales, "int4", (4, 64), 32, zeros + wrong)
    with pytest.raises(ValueError, match=r"zero points .* need torch.int8 \[4, 2\], not torch.int8 \[4, 1\]"):
        PackedWeight(packed, scales, "int4", (4, 64), 32, zeros[:, :1])
    with pytest.raises(ValueError, match=r"need torch.int8 \[4, 2\], not torch.float32"):
        PackedWeight(packed, scales, "int4", (4, 64), 32, zeros.float())
    with pytest.raises(ValueError, match="its zero points on meta"):
        PackedWeight(packed, scales, "int4", (4, 64), 32, zeros.to("meta"))
    with pytest.raises(ValueError, match=r"a binary weight of shape \(4, 256\) has no zero points"):
        PackedWeight(packed, scales, "binary", (4, 256), 128, zeros)
