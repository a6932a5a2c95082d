"""Group scales as a row scale times small integers: bounds, the stated errors, the product's own folding."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imagegen_kernels.formats import (
    dequantize,
    fold_scales,
    folding_error,
    quantize_binary,
    quantize_int4,
    quantize_int8,
    quantize_ternary,
)
from imagegen_kernels.matmul import reference
from tests.imagegen_kernels.formats.drawn import normal, patient, relative_error, rows, seeds


@patient
@given(rows, st.integers(1, 30), seeds, st.integers(1, 127))
def test_a_scale_is_off_by_half_a_row_scale_at_most(n: int, g: int, seed: int, limit: int) -> None:
    scales = normal(n, g, seed).abs().half()
    row_scale, q = fold_scales(scales, limit)
    assert (row_scale.dtype, tuple(row_scale.shape)) == (torch.float32, (n,))
    assert (q.dtype, tuple(q.shape)) == (torch.int8, (n, g))
    assert int(q.min()) >= 0
    assert bool((q.amax(dim=1) == limit)[row_scale > 0].all())
    error = (row_scale.double().unsqueeze(1) * q - scales.double()).abs()
    assert bool((error <= row_scale.double().unsqueeze(1) * 0.50002).all())


def test_equal_scales_and_zeros_are_exact() -> None:
    row_scale, q = fold_scales(torch.tensor([[0.5, 0.5], [0, 0]]))
    assert q.tolist() == [[127, 127], [0, 0]]
    assert row_scale.tolist() == pytest.approx([0.5 / 127, 0])
    assert folding_error(quantize_ternary(normal(4, 256), 256)) < 1e-7
    assert folding_error(quantize_ternary(torch.zeros(4, 256))) == 0


@pytest.mark.parametrize("quantize", [quantize_binary, quantize_ternary])
def test_one_bit_and_two_bit_codes_fold_as_the_product_folds_them(quantize: object) -> None:
    assert callable(quantize)
    weight = quantize(normal(64, 1024) * (1 + normal(64, 1, 1).abs()))
    row_scale, q = fold_scales(weight.scales)
    codes, expected_scale = reference.fold(weight)
    torch.testing.assert_close(row_scale, expected_scale, rtol=1e-6, atol=0)
    folded = weight.codes.view(64, 8, 128) * q.unsqueeze(-1)
    assert torch.equal(folded.view(64, 1024), codes)
    dense, error = dequantize(weight), folding_error(weight)
    assert error == pytest.approx(relative_error(codes * row_scale.unsqueeze(1), dense), rel=1e-3)


def test_the_error_is_as_stated() -> None:
    weight = normal(64, 3072)
    assert folding_error(quantize_binary(weight)) == pytest.approx(0.0025, rel=0.1)
    assert folding_error(quantize_ternary(weight)) == pytest.approx(0.0026, rel=0.1)
    assert folding_error(quantize_int4(weight), 15) == pytest.approx(0.026, rel=0.1)
    assert folding_error(quantize_int4(weight, zero_points=True), 8) == pytest.approx(0.045, rel=0.1)
    codes, row_scale = reference.fold(quantize_int4(weight))
    folded = codes * row_scale.unsqueeze(1)
    assert relative_error(folded, dequantize(quantize_int4(weight))) == pytest.approx(0.007, rel=0.1)


def test_what_would_not_fit_int8_is_refused() -> None:
    for limit in (0, 128, -1):
        with pytest.raises(ValueError, match=f"must be 1..127, not {limit}"):
            fold_scales(torch.ones(2, 2), limit)
    with pytest.raises(ValueError, match="codes up to 127 times folded scales up to 127 do not fit int8"):
        folding_error(quantize_int8(normal(2, 256)))
    for wrong in (torch.nan, torch.inf, -1.0):
        with pytest.raises(ValueError, match="must be finite and not negative"):
            fold_scales(torch.full((2, 2), wrong))
    for scales in (torch.ones(2), torch.ones(2, 0), torch.ones(2, 2, dtype=torch.int8)):
        with pytest.raises(ValueError, match=r"must be floating point \[N, G\]"):
            fold_scales(scales)
