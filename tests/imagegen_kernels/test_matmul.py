"""Quantised matrix product: the CPU path against the specification, the specification against float64."""

import functools
import os
import platform
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from imagegen_kernels import matmul
from imagegen_kernels.formats import (
    PackedWeight,
    dequantize,
    quantize_binary,
    quantize_int4,
    quantize_int8,
    quantize_ternary,
)
from imagegen_kernels.matmul import cpu, reference
from imagegen_kernels.quantize.reference import quantize

QUANTIZE: dict[str, Callable[[Tensor, int], PackedWeight]] = {
    "binary": quantize_binary,
    "ternary": quantize_ternary,
    "int4": quantize_int4,
    "int4_zero_points": functools.partial(quantize_int4, zero_points=True),
    "int8": quantize_int8,
}
KINDS = [
    "binary-128",
    "binary-row",
    "ternary-128",
    "ternary-row",
    "int4-32",
    "int4-row",
    "int4_zero_points-128",
    "int8-128",
    "int8-row",
]


def weight_of(kind: str, n: int, k: int, seed: int = 0) -> PackedWeight:
    """A weight whose groups differ in size, so that folding has something to do."""
    generator = torch.Generator().manual_seed(seed)
    dense = torch.randn(n, k, generator=generator)
    dense *= torch.rand(n, 1, generator=generator) + 0.1
    dense *= (torch.rand(n, (k + 127) // 128, generator=generator) + 0.5).repeat_interleave(128, 1)[:, :k]
    format, _, group_size = kind.partition("-")
    return QUANTIZE[format](dense, k if group_size == "row" else int(group_size))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 128), (17, 33, 256), (300, 5, 1280), (70, 40, 384)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_cpu_path_is_the_specification_bit_for_bit(
    kind: str, m: int, n: int, k: int, dtype: torch.dtype
) -> None:
    x, weight = torch.randn(m, k).to(dtype), weight_of(kind, n, k)
    got = matmul(x, weight)
    assert got.dtype == dtype
    assert torch.equal(got, reference.matmul(x, weight))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_floating_point_types_keep_theirs(dtype: torch.dtype) -> None:
    x, weight = torch.randn(3, 128).to(dtype), weight_of("ternary-128", 8, 128)
    assert matmul(x, weight).dtype == dtype
    assert torch.equal(matmul(x, weight), reference.matmul(x, weight))


@pytest.mark.parametrize("k", [1, 3, 33, 127])
def test_int8_rows_take_any_number_of_columns(k: int) -> None:
    x, weight = torch.randn(7, k), weight_of("int8-row", 9, k)
    assert torch.equal(matmul(x, weight), reference.matmul(x, weight))


@pytest.mark.parametrize("kind", KINDS)
def test_the_error_against_the_unfolded_weight_is_bounded(kind: str) -> None:
    x, weight = torch.randn(64, 768), weight_of(kind, 80, 768)
    dense = dequantize(weight, torch.float64)
    exact = x.double() @ dense.T
    got = reference.matmul(x, weight).double()
    # An activation is off by half its token's scale at most, a folded weight by half its row's.
    tokens, token_scale = quantize(x)
    _, row_scale = reference.fold(weight)
    from_tokens = 0.5 * token_scale.double() * dense.abs().sum(dim=1)
    from_folding = 0.5 * row_scale.double() * (tokens.double() * token_scale).abs().sum(dim=1, keepdim=True)
    bound = from_tokens + from_folding * (weight.group_size < 768)
    assert bool(((got - exact).abs() <= bound * 1.001 + 1e-6).all())
    assert float((got - exact).norm() / exact.norm()) < 0.012


@pytest.mark.parametrize("kind", KINDS)
def test_folding_is_off_by_half_a_row_scale_at_most(kind: str) -> None:
    weight = weight_of(kind, 200, 512)
    codes, row_scale = reference.fold(weight)
    error = (codes.double() * row_scale.double().unsqueeze(1) - dequantize(weight, torch.float64)).abs()
    if kind.endswith("row"):
        assert not error.any()
    else:
        assert bool((error <= row_scale.double().unsqueeze(1) * 0.50002).all())
        assert int(codes.short().abs().max()) == 127


def test_the_integer_product_is_exact_at_the_largest_codes() -> None:
    x = torch.full((2, 12288), 127, dtype=torch.int8)
    x[1, ::3] = -127
    codes = torch.full((3, 12288), -127, dtype=torch.int8)
    codes[1, ::2] = 126
    expected = (x.long() @ codes.long().T).int()
    assert torch.equal(reference.integer_product(x, codes), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_token_does_not_depend_on_its_batch(threads: int, dtype: torch.dtype) -> None:
    x, weight = torch.randn(3, 97, 384).to(dtype), weight_of("ternary-128", 1152, 384)
    together = matmul(x, weight)
    for i in range(3):
        assert torch.equal(matmul(x[i : i + 1], weight), together[i : i + 1])
    assert torch.equal(matmul(x[1, 5], weight), together[1, 5])


def test_a_token_that_is_not_finite_spoils_only_itself() -> None:
    x, weight = torch.randn(4, 128), weight_of("ternary-128", 8, 128)
    clean = matmul(x, weight)
    x[1, 3], x[2, 7] = torch.nan, torch.inf
    got = matmul(x, weight)
    assert not got[1:3].isfinite().any()
    assert torch.equal(got[::3], clean[::3])


def test_bias_shapes_and_no_tokens() -> None:
    x, weight = torch.randn(2, 3, 128), weight_of("int8-128", 8, 128)
    bias = torch.randn(8)
    assert torch.equal(matmul(x, weight, bias), matmul(x, weight) + bias)
    assert torch.equal(matmul(x, weight, bias), reference.matmul(x, weight, bias))
    assert tuple(matmul(x[:, :0], weight).shape) == (2, 0, 8)
    assert torch.equal(matmul(x.transpose(0, 1), weight), matmul(x, weight).transpose(0, 1))


@pytest.mark.parametrize("n", [1, 8])
def test_strides_that_mean_nothing_change_nothing(n: int) -> None:
    x, weight = torch.randn(1, 128), weight_of("int8-row", n, 128)
    expected = reference.matmul(x, weight)
    assert torch.equal(matmul(x.as_strided((1, 128), (0, 1)), weight), expected)
    packed = weight.packed.T.contiguous().T if n > 1 else weight.packed.as_strided((1, 128), (0, 1))
    x_by_column = torch.randn(128, 5).T
    assert torch.equal(matmul(x_by_column, weight), reference.matmul(x_by_column, weight))
    restrided = PackedWeight(packed, weight.scales, "int8", (n, 128), 128)
    assert torch.equal(matmul(x, restrided), expected)


def test_a_weight_is_prepared_once_and_as_floats_only_where_there_is_no_int8_product() -> None:
    weight, x = weight_of("ternary-128", 8, 256), torch.randn(2, 256)
    matmul(x, weight)
    (key,) = weight.prepared
    first = weight.prepared[key]
    assert isinstance(first, cpu.Kept if cpu.is_exact() else cpu.Floats)
    if isinstance(first, cpu.Kept):
        assert first[0].dtype == torch.int8
        assert all(part.numel() <= 8 for part in first[1:])
    matmul(x, weight)
    assert weight.prepared[key] is first


def test_a_weight_of_zeros_gives_zeros() -> None:
    weight = quantize_ternary(torch.zeros(8, 256))
    assert not matmul(torch.randn(3, 256), weight).any()


def test_it_runs_with_and_without_inference_mode_and_has_no_gradient() -> None:
    weight = weight_of("ternary-128", 8, 128)
    x = torch.randn(2, 128, requires_grad=True)
    with torch.inference_mode():
        inside = matmul(x, weight)
    outside = matmul(x, weight)
    assert not outside.requires_grad
    assert torch.equal(inside, outside)


def test_shapes_and_dtypes_that_do_not_fit_are_refused() -> None:
    weight = weight_of("ternary-128", 8, 256)
    with pytest.raises(
        ValueError, match=r"\(8, 256\) needs floating point x \[..., 256\], not torch.float32 \[2, 128\]"
    ):
        matmul(torch.randn(2, 128), weight)
    with pytest.raises(ValueError, match=r"not torch\.int8"):
        matmul(torch.zeros(2, 256, dtype=torch.int8), weight)
    with pytest.raises(ValueError, match=r"needs bias \[8\], not \[9\]"):
        matmul(torch.randn(2, 256), weight, torch.zeros(9))
    with pytest.raises(ValueError, match="on one device, not meta and cpu"):
        matmul(torch.randn(2, 256, device="meta"), weight)


FALLBACK = """
import logging, torch
logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
from imagegen_kernels import dispatch, matmul
from imagegen_kernels.formats import quantize_ternary
from imagegen_kernels.matmul import reference
torch.manual_seed(0)
x, weight = torch.randn(5, 256), quantize_ternary(torch.randn(8, 256))
assert torch.equal(matmul(x, weight), reference.matmul(x, weight))
matmul(x, weight)
print(*dispatch.describe("cpu")[0])
"""


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="oneDNN names x86 instruction sets only"
)
@pytest.mark.parametrize(("capability", "found"), [("avx2", "avx2"), ("default", "reference")])
def test_without_8_bit_dot_products_it_takes_what_there_is_and_says_so_once(
    capability: str, found: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FALLBACK],
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": capability},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"matmul {found} ")
    assert done.stderr.count("WARNING imagegen_kernels.matmul.cpu This CPU has no 8-bit dot product") == 1


def test_a_device_without_a_kernel_runs_the_reference_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    packed = torch.zeros(8, 128, dtype=torch.int8, device="meta")
    scales = torch.zeros(8, 1, dtype=torch.float16, device="meta")
    weight = PackedWeight(packed, scales, "int8", (8, 128), 128)
    for _ in range(2):
        assert tuple(matmul(torch.zeros(3, 128, device="meta"), weight).shape) == (3, 8)
    (message,) = caplog.messages
    assert message.startswith("Quantised layers run on meta as reference: exact float32 blocks")


def test_the_int8_product_is_exact_at_the_largest_codes() -> None:
    if not cpu.is_exact():
        pytest.skip("this CPU has no 8-bit dot product, so the reference runs")
    tokens = torch.full((3, 12288), 127, dtype=torch.int8)
    tokens[1, ::3], tokens[2] = -127, -127
    codes = torch.full((17, 12288), -127, dtype=torch.int8)
    codes[1, ::2], codes[2] = 126, 127
    got = cpu.product((tokens.int() + 128).to(torch.uint8), cpu.keep(codes, torch.ones(17)))
    assert torch.equal(got, reference.integer_product(tokens, codes).float())
