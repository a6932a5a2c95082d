"""Small weights on AVX2 alone, on every CPU that has it; what `matmul` makes of them is tested with it."""

import pytest
import torch
from torch import Tensor

from imagegen_kernels.formats import (
    PackedWeight,
    quantize_binary,
    quantize_int4,
    quantize_int8,
    quantize_ternary,
)
from imagegen_kernels.matmul import octets, reference
from tests.imagegen_kernels.uneven import QUANTIZERS, dense

pytestmark = pytest.mark.usefixtures("avx2")


def unsigned(codes: Tensor) -> Tensor:
    return (codes.short() + 128).to(torch.uint8)


def expected(codes: Tensor, weight: PackedWeight) -> Tensor:
    folded, row_scale = reference.fold(weight)
    return reference.integer_product(codes, folded).float() * row_scale


def test_the_processor_proves_it() -> None:
    assert octets.is_exact()


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("format", QUANTIZERS)
@pytest.mark.parametrize("group_size", [128, 384, 768])
@pytest.mark.parametrize(("count", "rows"), [(1, 16), (3, 24), (64, 64), (65, 136), (131, 1000)])
def test_it_is_the_integer_product(format: str, group_size: int, count: int, rows: int) -> None:
    weight = QUANTIZERS[format](dense(rows, 768), group_size)
    codes = torch.randint(-127, 128, (count, 768), dtype=torch.int8)
    got = octets.product(unsigned(codes), octets.lay_out(weight))
    assert torch.equal(got, expected(codes, weight))


@pytest.mark.parametrize("columns", [128, 2176, 12288])
@pytest.mark.parametrize("format", QUANTIZERS)
def test_nothing_saturates_at_the_largest_codes(format: str, columns: int) -> None:
    largest = torch.ones(16, columns)
    largest[1], largest[2, ::2], largest[3, 1::2] = -1, -1, -1
    largest[4:8, 128:] /= 127
    weight = QUANTIZERS[format](largest, 128)
    codes = torch.full((5, columns), 127, dtype=torch.int8)
    codes[1], codes[2, ::2], codes[3, 1::2] = -127, -127, -127
    want = expected(codes, weight)
    assert torch.equal(octets.product(unsigned(codes), octets.lay_out(weight)), want)
    assert float(want.abs().max()) > 126.9 * columns


def test_a_code_of_minus_128_is_one_too() -> None:
    packed = torch.randint(-128, 128, (24, 512), dtype=torch.int8)
    packed[0], packed[1, ::2] = -128, -128
    weight = PackedWeight(packed, torch.ones(24, 1, dtype=torch.float16), "int8", (24, 512), 512)
    codes = torch.full((6, 512), 127, dtype=torch.int8)
    codes[1], codes[2, 1::2], codes[3] = -127, -127, 0
    assert torch.equal(octets.product(unsigned(codes), octets.lay_out(weight)), expected(codes, weight))


def test_tokens_keep_their_shape() -> None:
    weight = quantize_ternary(dense(24, 256), 128)
    codes = torch.randint(-127, 128, (2, 5, 256), dtype=torch.int8)
    got = octets.product(unsigned(codes), octets.lay_out(weight))
    assert torch.equal(got, expected(codes.view(10, 256), weight).view(2, 5, 24))
    assert octets.product(torch.empty(0, 256, dtype=torch.uint8), octets.lay_out(weight)).shape == (0, 24)


@pytest.mark.parametrize(
    ("weight", "fits"),
    [
        (quantize_ternary(torch.ones(16, 128), 128), True),
        (quantize_binary(torch.ones(24, 256), 256), True),
        (quantize_ternary(torch.ones(8, 128), 128), False),
        (quantize_ternary(torch.ones(20, 128), 128), False),
        (quantize_int4(torch.ones(16, 128), 32), True),
        (quantize_int8(torch.ones(16, 130), 130), False),
    ],
)
def test_what_fits(weight: PackedWeight, fits: bool) -> None:
    assert octets.fits(weight) is fits


def test_another_processor_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert not octets.is_exact.__wrapped__()


def test_a_wrong_product_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = octets.product
    monkeypatch.setattr(octets, "product", lambda *arguments: real(*arguments).clamp_(max=127.0))
    assert not octets.is_exact.__wrapped__()
