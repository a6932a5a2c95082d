"""Codes with a scale and an offset become a packed weight of the same value, or are refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegen.weights.importers.convert import DoesNotFit, keep, quantised
from imagegen.weights.importers.stored import Coded, Uneven, joined
from tests.weights.importers.dense import as_dense


def coded(
    bits: int, scale: torch.Tensor, zero: float | torch.Tensor, columns: int = 256, highest: int | None = None
) -> Coded:
    """Random codes up to `highest`, w = (code - zero) * scale."""
    torch.manual_seed(bits)
    highest = (1 << bits) - 1 if highest is None else highest
    codes = torch.randint(0, highest + 1, (len(scale), columns)).to(torch.uint8)
    scale = scale.double()
    offset = -zero * scale

    def dense() -> torch.Tensor:
        groups = codes.view(*scale.shape, -1).double()
        return (groups * scale.unsqueeze(-1) + offset.unsqueeze(-1)).view(codes.shape).float()

    return Coded(codes, scale, offset, bits, dense)


scales = st.lists(
    st.floats(-4, 4, width=16).filter(lambda x: x == 0 or abs(x) > 1e-3), min_size=4, max_size=4
).map(lambda values: torch.tensor(values, dtype=torch.float64).view(2, 2))


@settings(max_examples=40, deadline=None)
@given(scales, st.sampled_from([(1, 0.5, 1, "binary"), (2, 1.0, 2, "ternary"), (4, 8.0, 15, "int4")]))
def test_exact_codes_are_kept_whatever_the_scales_sign(
    scale: torch.Tensor, kind: tuple[int, float, int, str]
) -> None:
    bits, zero, highest, format = kind
    stored = coded(bits, scale, zero, highest=highest)
    kept = keep(stored, exact=False)
    assert kept.format is not None
    assert kept.format[0] == format or not scale.any()
    assert torch.equal(as_dense(kept), stored.dense())


@pytest.mark.parametrize("zero", [0.0, 3.0, 15.0])
def test_whole_zero_points_are_kept(zero: float) -> None:
    stored = coded(4, torch.full((2, 4), 0.25), zero)
    kept = keep(stored, exact=False)
    assert kept.format == ("int4", 64)
    assert torch.equal(as_dense(kept), stored.dense())


def test_eight_bits_are_kept_by_group() -> None:
    stored = coded(8, torch.full((2, 8), 0.5), 128.0)
    stored.codes[stored.codes == 0] = 1
    kept = keep(stored, exact=False)
    assert kept.format == ("int8", 32)
    assert torch.equal(as_dense(kept), stored.dense())
    stored.codes[1, 40] = 0
    with pytest.raises(DoesNotFit, match="row 1, columns 32 to 63: its codes do not fit int8"):
        keep(stored, exact=False)


@pytest.mark.parametrize(
    ("bits", "scale", "zero", "why"),
    [
        (2, 0.25, 0.7, "no multiple of half its scale"),
        (2, 0.1, 1.0, "no float16"),
        (2, 0.25, 0.5, "not whole multiples"),
    ],
)
def test_a_group_that_is_not_exact_is_named(bits: int, scale: float, zero: float, why: str) -> None:
    scales, zeros = torch.full((3, 2), 0.25, dtype=torch.float64), torch.ones(3, 2, dtype=torch.float64)
    scales[2, 1], zeros[2, 1] = scale, zero
    with pytest.raises(DoesNotFit, match=f"row 2, columns 128 to 255: .*{why}"):
        keep(coded(bits, scales, zeros, highest=2), exact=False)


def test_four_bits_with_a_float_zero_stay_what_the_tool_makes_of_them() -> None:
    stored = coded(4, torch.full((2, 4), 0.25), 7.3)
    half = Coded(stored.codes, stored.scale, stored.offset, 4, lambda: stored.dense().half())
    kept = keep(half, exact=False)
    assert kept.format is None
    assert torch.equal(kept.tensors[""], stored.dense().half())
    with pytest.raises(DoesNotFit):
        keep(stored, exact=False)  # float32: to store it would be to grow it


def test_levels_that_are_none_of_ours_are_only_quantised_when_asked() -> None:
    stored = Uneven(torch.randn(4, 256), 16, "the levels of GGUF's Q2_K are none of ours")
    with pytest.raises(DoesNotFit, match=r"row 0, columns 0 to 15: .*Q2_K"):
        keep(stored, exact=False)
    made = quantised(stored, "int8", None)
    assert made.format == ("int8", None)
    assert 0 < made.error < 0.02


def test_an_asked_format_is_exact_where_it_fits() -> None:
    stored = coded(2, torch.full((2, 2), 0.25), 1.0, highest=2)
    assert quantised(stored, "ternary", None).error == 0
    assert torch.equal(as_dense(quantised(stored, "ternary", None)), stored.dense())
    assert quantised(stored, "int8", None).format == ("int8", None)


def test_parts_of_one_linear_must_be_stored_alike() -> None:
    one, two = coded(2, torch.full((2, 2), 0.5), 1.0), coded(4, torch.full((2, 2), 0.5), 8.0)
    whole = joined([one, one])
    assert isinstance(whole, Coded)
    assert torch.equal(whole.dense(), torch.cat([one.dense(), one.dense()]))
    with pytest.raises(ValueError, match="different formats"):
        joined([one, two])
    with pytest.raises(ValueError, match="different formats"):
        joined([one, torch.ones(2, 256)])
