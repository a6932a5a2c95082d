"""Int8 products on AVX2 alone, on every CPU that has it; what `matmul` makes of them is tested with it."""

import pytest
import torch
from torch import Tensor

from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.matmul import avx2, octets, reference
from imagegen_kernels.matmul.unpacking import Unpacked
from tests.imagegen_kernels.uneven import QUANTIZERS, dense

pytestmark = pytest.mark.usefixtures("avx2")


def product(codes: Tensor, weight: PackedWeight, rows: slice, part: slice) -> Tensor:
    return avx2.Tokens(codes).times(Unpacked(weight, avx2=True), rows)(part)


def test_the_processor_proves_it() -> None:
    assert avx2.is_exact()


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("format", QUANTIZERS)
@pytest.mark.parametrize("group_size", [128, 256])
@pytest.mark.parametrize(("count", "rows"), [(1, 1), (7, 9), (64, 64), (65, 130), (200, 71)])
def test_it_is_the_integer_product(format: str, group_size: int, count: int, rows: int) -> None:
    weight = QUANTIZERS[format](dense(rows, 768), group_size)
    codes = torch.randint(-127, 128, (count, 768), dtype=torch.int8)
    expected = reference.integer_product(codes, reference.fold(weight)[0])
    assert torch.equal(product(codes, weight, slice(0, rows), slice(0, count)), expected)
    some, part = slice(rows // 2, rows), slice(count // 3, count)
    assert torch.equal(product(codes, weight, some, part), expected[part, some])


@pytest.mark.parametrize("columns", [128, 2048, 2176, 12288])
@pytest.mark.parametrize("format", QUANTIZERS)
def test_nothing_saturates_at_the_largest_codes(format: str, columns: int) -> None:
    largest = torch.ones(16, columns)
    largest[1], largest[2, ::2], largest[3, 1::2] = -1, -1, -1
    weight = QUANTIZERS[format](largest, columns if format == "int8" else 128)
    codes = torch.full((5, columns), 127, dtype=torch.int8)
    codes[1], codes[2, ::2], codes[3, 1::2] = -127, -127, -127
    expected = reference.integer_product(codes, reference.fold(weight)[0])
    assert int(expected.abs().max()) == 127 * columns * int(reference.fold(weight)[0].abs().max())
    assert torch.equal(product(codes, weight, slice(0, 16), slice(0, 5)), expected)


def test_another_processor_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert not avx2.is_exact.__wrapped__()


def test_a_wrong_product_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = octets.sums
    monkeypatch.setattr(octets, "sums", lambda *arguments: real(*arguments).clamp_(max=32767))
    assert not avx2.is_exact.__wrapped__()
