"""Per-token int8 quantisation."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imagegen_kernels import quantize
from imagegen_kernels.quantize import cpu


@given(st.integers(1, 4), st.integers(1, 200), st.integers(0, 2**32 - 1), st.floats(1e-20, 1e20))
def test_codes_times_scale_is_the_token(tokens: int, k: int, seed: int, size: float) -> None:
    x = torch.randn(tokens, k, generator=torch.Generator().manual_seed(seed)) * size
    codes, scale = quantize(x)
    assert (codes.dtype, scale.dtype) == (torch.int8, torch.float32)
    assert (tuple(codes.shape), tuple(scale.shape)) == ((tokens, k), (tokens, 1))
    assert bool((codes.short().abs().amax(dim=1) == 127).all())
    error = (codes.double() * scale.double() - x.double()).abs()
    assert bool((error <= scale.double() * 0.50002).all())


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_unsigned_codes_are_the_same_from_128(k: int, seed: int) -> None:
    # Halves up to 127: each is a tie, which both round to even.
    halves = torch.randint(-254, 255, (3, k), generator=torch.Generator().manual_seed(seed)) / 2
    x = torch.cat([halves, torch.full((3, 1), 127.0)], dim=1)
    codes, scale = quantize(x)
    unsigned, same_scale = cpu.quantize_unsigned(x)
    assert unsigned.dtype == torch.uint8
    assert torch.equal(unsigned.int() - 128, codes.int())
    assert torch.equal(same_scale, scale)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_token_stands_alone(dtype: torch.dtype) -> None:
    x = torch.randn(2, 3, 96).to(dtype)
    codes, scale = quantize(x)
    one_codes, one_scale = quantize(x[1, 2])
    assert torch.equal(codes[1, 2], one_codes)
    assert torch.equal(scale[1, 2], one_scale)


def test_zeros_have_codes_zero() -> None:
    codes, scale = quantize(torch.zeros(2, 5))
    assert not codes.any()
    assert bool(scale.isfinite().all())


def test_a_token_that_is_not_finite_keeps_that_in_its_scale() -> None:
    x = torch.ones(3, 4)
    x[0, 1], x[1, 2] = torch.nan, torch.inf
    _, scale = quantize(x)
    assert scale.isfinite().flatten().tolist() == [False, False, True]


def test_integers_and_empty_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match=r"not torch.int32 \[2, 3\]"):
        quantize(torch.zeros(2, 3, dtype=torch.int32))
    with pytest.raises(ValueError, match=r"not torch.float32 \[2, 0\]"):
        quantize(torch.zeros(2, 0))
