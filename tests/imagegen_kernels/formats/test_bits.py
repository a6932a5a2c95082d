"""Codes in planes of bits: exact round trips, the layout on disk, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from imagegen_kernels.formats import (
    pack_binary,
    pack_int4,
    pack_ternary,
    unpack_binary,
    unpack_int4,
    unpack_ternary,
)
from tests.imagegen_kernels.formats.drawn import drawn_codes, groups, patient, rows, seeds


class Packing(NamedTuple):
    pack: Callable[[Tensor], Tensor]
    unpack: Callable[[Tensor], Tensor]
    bits: int
    unit: int
    low: int
    high: int

    def codes(self, n: int, k: int, seed: int) -> Tensor:
        codes = drawn_codes(self.low, self.high, n, k, seed)
        return codes if self.bits > 1 else codes.sign() | 1  # there is no code 0


BINARY = Packing(pack_binary, unpack_binary, 1, 128, -1, 1)
TERNARY = Packing(pack_ternary, unpack_ternary, 2, 128, -1, 1)
INT4 = Packing(pack_int4, unpack_int4, 4, 32, -8, 7)
PACKINGS = pytest.mark.parametrize("packing", [BINARY, TERNARY, INT4], ids=["binary", "ternary", "int4"])


@PACKINGS
@patient
@given(n=rows, g=groups, seed=seeds)
def test_codes_come_back(packing: Packing, n: int, g: int, seed: int) -> None:
    codes = packing.codes(n, packing.unit * g, seed)
    packed = packing.pack(codes)
    assert packed.dtype == torch.uint8
    assert tuple(packed.shape) == (n, packing.unit * g * packing.bits // 8)
    assert torch.equal(packing.unpack(packed), codes)


@PACKINGS
@patient
@given(n=rows, g=groups, seed=seeds)
def test_every_valid_byte_comes_back(packing: Packing, n: int, g: int, seed: int) -> None:
    valid = list(range(256))
    if packing is TERNARY:
        valid = [b for b in valid if all((b >> s) & 3 != 2 for s in (0, 2, 4, 6))]
        assert len(valid) == 81
    width = packing.unit * packing.bits // 8 * g
    choice = torch.randint(len(valid), (n, width), generator=torch.Generator().manual_seed(seed))
    packed = torch.tensor(valid, dtype=torch.uint8)[choice]
    assert torch.equal(packing.pack(packing.unpack(packed)), packed)


@PACKINGS
def test_the_layout_is_the_one_on_disk(packing: Packing) -> None:
    codes = packing.codes(2, packing.unit * 2, seed=5)
    packed = packing.pack(codes)
    bits, run = packing.bits, packing.unit * packing.bits // 8
    for n in range(2):
        for g in range(2):
            for j in range(run):
                byte = 0
                for plane in range(8 // bits):
                    code = int(codes[n, packing.unit * g + run * plane + j])
                    field = int(code < 0) if packing is BINARY else code & (1 << bits) - 1
                    byte |= field << 8 - bits * (plane + 1)
                assert int(packed[n, run * g + j]) == byte


@PACKINGS
def test_strides_mean_nothing(packing: Packing) -> None:
    codes = packing.codes(4, packing.unit * 2, seed=1)
    packed = packing.pack(codes)
    assert torch.equal(packing.pack(codes.T.contiguous().T), packed)
    assert torch.equal(packing.unpack(packed.T.contiguous().T), codes)
    assert torch.equal(packing.pack(codes[::2]), packed[::2])
    assert torch.equal(packing.unpack(packed[::2]), codes[::2])


@patient
@given(rows, groups, seeds, st.sampled_from([0, 2, 4, 6]), st.data())
def test_the_slot_10_is_refused(n: int, g: int, seed: int, shift: int, data: st.DataObject) -> None:
    packed = pack_ternary(TERNARY.codes(n, 128 * g, seed))
    row, column = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, 32 * g - 1))
    packed[row, column] = packed[row, column] & ~(3 << shift) & 255 | 2 << shift
    with pytest.raises(ValueError, match=rf"\[{n}, {32 * g}\] hold the slot 10 in 1 rows"):
        unpack_ternary(packed)


@PACKINGS
def test_columns_that_do_not_fill_a_run_are_refused(packing: Packing) -> None:
    for k in (1, packing.unit // 2, packing.unit - 1, packing.unit + 1):
        with pytest.raises(ValueError, match=rf"multiple of {packing.unit}, not shape \[3, {k}\]"):
            packing.pack(torch.ones(3, k, dtype=torch.int8))
    run = packing.unit * packing.bits // 8
    with pytest.raises(ValueError, match=rf"multiple of {run}, not shape \[2, {run + 1}\]"):
        packing.unpack(torch.zeros(2, run + 1, dtype=torch.uint8))


@PACKINGS
def test_other_dtypes_ranks_and_values_are_refused(packing: Packing) -> None:
    unit = packing.unit
    with pytest.raises(ValueError, match=rf"torch.int8 \[N, K\], not torch.int16 \[2, {unit}\]"):
        packing.pack(torch.ones(2, unit, dtype=torch.int16))
    with pytest.raises(ValueError, match=rf"not torch.int8 \[{unit}\]"):
        packing.pack(torch.ones(unit, dtype=torch.int8))
    with pytest.raises(ValueError, match="at least one row"):
        packing.pack(torch.ones(0, unit, dtype=torch.int8))
    wrong = {packing.low - 1, packing.high + 1, 127, -128} | ({0} if packing is BINARY else set())
    for value in wrong:
        with pytest.raises(ValueError, match=rf"shape \[1, {unit}\] must be -"):
            packing.pack(torch.full((1, unit), value, dtype=torch.int8))
    with pytest.raises(ValueError, match=rf"torch.uint8 \[N, K/{8 // packing.bits}\], not torch.int8"):
        packing.unpack(torch.zeros(2, 32, dtype=torch.int8))
    with pytest.raises(ValueError, match=r"not torch.uint8 \[32\]"):
        packing.unpack(torch.zeros(32, dtype=torch.uint8))
