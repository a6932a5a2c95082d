"""Ternary codes five to a byte: exact round trips of any length, the layout on disk, refusals."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imagegen_kernels.formats import pack_base3, unpack_base3
from tests.imagegen_kernels.formats.drawn import drawn_codes, patient, rows, seeds

columns = st.integers(1, 300)


@patient
@given(rows, columns, seeds)
def test_codes_come_back(n: int, k: int, seed: int) -> None:
    codes = drawn_codes(-1, 1, n, k, seed)
    packed = pack_base3(codes)
    assert packed.dtype == torch.uint8
    assert tuple(packed.shape) == (n, -(-k // 5))
    assert torch.equal(unpack_base3(packed, k), codes)
    assert torch.equal(pack_base3(codes.T.contiguous().T), packed)


def test_every_valid_byte_comes_back() -> None:
    packed = torch.arange(243, dtype=torch.uint8).view(3, 81)
    codes = unpack_base3(packed, 405)
    assert len({tuple(five) for five in codes.view(-1, 5).tolist()}) == 243
    assert torch.equal(pack_base3(codes), packed)


def test_the_layout_is_the_one_on_disk() -> None:
    codes = drawn_codes(-1, 1, 3, 128, seed=5)
    packed = pack_base3(codes)
    for n in range(3):
        for j in range(26):
            five = [*codes[n, 5 * j : 5 * j + 5].tolist(), 0, 0][:5]
            assert int(packed[n, j]) == sum((code + 1) * 3**i for i, code in enumerate(five))


def test_a_large_layer_takes_1_6_bits_a_weight() -> None:
    packed = pack_base3(torch.zeros(16, 3072, dtype=torch.int8))
    assert packed.nbytes * 8 / (16 * 3072) < 1.602


def test_rows_can_be_cut_and_joined() -> None:
    codes = drawn_codes(-1, 1, 6, 128, seed=1)
    packed = pack_base3(codes)
    assert torch.equal(unpack_base3(packed[2:4], 128), codes[2:4])
    assert torch.equal(torch.cat([pack_base3(codes[:1]), pack_base3(codes[1:])]), packed)


@patient
@given(rows, columns, seeds, st.integers(243, 255), st.data())
def test_bytes_above_242_are_refused(n: int, k: int, seed: int, byte: int, data: st.DataObject) -> None:
    packed = pack_base3(drawn_codes(-1, 1, n, k, seed))
    row, column = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, packed.shape[1] - 1))
    packed[row, column] = byte
    with pytest.raises(ValueError, match=r"hold bytes above 242 in 1 rows"):
        unpack_base3(packed, k)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 126, 129])
def test_codes_behind_the_end_are_refused(k: int) -> None:
    full = pack_base3(torch.ones(1, -(-k // 5) * 5, dtype=torch.int8))
    with pytest.raises(ValueError, match=rf"hold codes behind column {k}, the last"):
        unpack_base3(full, k)


def test_other_dtypes_shapes_and_values_are_refused() -> None:
    for wrong in (2, -2, 127, -128):
        with pytest.raises(ValueError, match=r"shape \[1, 5\] must be -1, 0 or \+1"):
            pack_base3(torch.full((1, 5), wrong, dtype=torch.int8))
    for codes in (
        torch.zeros(2, 5, dtype=torch.int16),
        torch.zeros(5, dtype=torch.int8),
        torch.zeros(0, 5, dtype=torch.int8),
        torch.zeros(5, 0, dtype=torch.int8),
    ):
        with pytest.raises(ValueError, match=r"must be torch.int8 \[N >= 1, K >= 1\], not"):
            pack_base3(codes)
    for packed, k in (
        (torch.zeros(2, 26, dtype=torch.int8), 128),
        (torch.zeros(2, 25, dtype=torch.uint8), 128),
        (torch.zeros(2, 26, dtype=torch.uint8), 131),
        (torch.zeros(26, dtype=torch.uint8), 128),
        (torch.zeros(0, 26, dtype=torch.uint8), 128),
        (torch.zeros(2, 0, dtype=torch.uint8), 0),
    ):
        with pytest.raises(ValueError, match=rf"{k} ternary columns in base 3 must be torch.uint8"):
            unpack_base3(packed, k)
