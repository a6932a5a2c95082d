"""On a GPU every op gives what it gives on a CPU, to rounding; a product to the bit."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from imagegen_kernels import (
    attention,
    card,
    doubling_conv,
    gated_residual,
    matmul,
    matmul_residual,
    matmul_swiglu,
    modulate,
    qk_rope,
    quantize,
    rms_norm,
    silu_conv,
    swiglu,
    weight_only_matmul,
)
from imagegen_kernels.formats import (
    PackedWeight,
    pack_ternary,
    quantize_binary,
    quantize_conv,
    quantize_doubling,
    quantize_int4,
    quantize_int8,
    quantize_ternary,
    unpack_ternary,
)
from imagegen_kernels.matmul import gpu, reference
from imagegen_kernels.modulate import Modulated
from imagegen_kernels.proof import row_kernels_hold
from imagegen_kernels.weight_only_matmul import gpu as weight_only_gpu
from imagegen_kernels.weight_only_matmul import reference as weight_only_reference

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

QUANTIZERS = [quantize_ternary, quantize_binary, quantize_int8, quantize_int4]

B, S, H, D = 2, 33, 4, 64
C = H * D


def heads(x: Tensor) -> Tensor:
    return x.view(B, S, H, D).transpose(1, 2)


def rotated(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    angle = torch.arange(S * D // 2).view(S, D // 2) / 7
    qk = x.view(B, S, H, D).repeat(1, 1, 2, 1)
    cos, sin = angle.cos().to(x.device), angle.sin().to(x.device)
    return qk_rope(qk, H, weight, weight, cos, sin, interleaved=True)


def convolved(x: Tensor, weight: Tensor) -> Tensor:
    conv = quantize_conv(weight.float().view(1, -1, 1, 1).repeat(3, 1, 1, 1))
    return silu_conv(x.float().transpose(1, 2).reshape(B, C, S, 1), conv)


def doubled(x: Tensor, weight: Tensor) -> Tensor:
    conv = quantize_doubling(weight.float().view(-1, 1, 1, 1).repeat(1, 3, 4, 4))
    return doubling_conv(x.float().transpose(1, 2).reshape(B, C, S, 1), conv)


OPS: dict[str, Callable[..., Tensor | tuple[Tensor, ...]]] = {
    "attention": lambda x, v: attention(heads(x), heads(x), heads(x)),
    "doubling_conv": doubled,
    "gated_residual": lambda x, v: gated_residual(x, v, x.flip(1)),
    "modulate": lambda x, v: modulate(x, v, v),
    "qk_rope": lambda x, v: rotated(x, v[:D]),
    "quantize": lambda x, v: quantize(x),
    "rms_norm": lambda x, v: rms_norm(x, v),
    "silu_conv": convolved,
    "swiglu": lambda x, v: swiglu(x),
}


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
def test_an_op_gives_what_it_gives_on_a_cpu(op: str, dtype: torch.dtype, tolerance: float) -> None:
    x, vector = torch.randn(B, S, C).to(dtype), torch.randn(C).to(dtype)
    expected, got = OPS[op](x, vector), OPS[op](x.cuda(), vector.cuda())
    for one, other in zip(*(r if isinstance(r, tuple) else (r,) for r in (expected, got)), strict=True):
        assert other.is_cuda
        if one.dtype == torch.int8:
            assert int((one.int() - other.cpu().int()).abs().max()) <= 1
        else:
            torch.testing.assert_close(other.cpu(), one, rtol=tolerance, atol=tolerance)


def on_the_gpu(weight: PackedWeight) -> PackedWeight:
    packed, scales = weight.packed.cuda(), weight.scales.cuda()
    zeros = None if weight.zero_points is None else weight.zero_points.cuda()
    return PackedWeight(packed, scales, weight.format, weight.shape, weight.group_size, zeros)


@pytest.fixture
def plain_pytorch() -> Iterator[None]:
    card.choose("reference")
    yield
    card.choose("auto")


@pytest.mark.parametrize("quantize_weight", QUANTIZERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("m", [5, 700])
def test_matmul_gives_the_specification_bit_for_bit(
    quantize_weight: Callable[[Tensor], PackedWeight], dtype: torch.dtype, m: int
) -> None:
    weight, x = quantize_weight(torch.randn(600, 1280)), torch.randn(m, 1280).to(dtype)
    assert torch.equal(matmul(x.cuda(), on_the_gpu(weight)).cpu(), reference.matmul(x, weight))


@pytest.mark.parametrize("quantize_weight", QUANTIZERS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("m", [5, 700])
def test_a_weight_only_product_gives_the_specification(
    quantize_weight: Callable[[Tensor], PackedWeight], dtype: torch.dtype, m: int
) -> None:
    weight, x = quantize_weight(torch.randn(600, 1280)), torch.randn(m, 1280).to(dtype)
    expected = weight_only_reference.weight_only_matmul(x.float(), weight)
    got = weight_only_matmul(x.cuda(), on_the_gpu(weight)).cpu().float()
    torch.testing.assert_close(got, expected, rtol=2 * torch.finfo(dtype).eps, atol=1e-2)
    if card.refusal() is None:
        there = weight_only_gpu.prepared(on_the_gpu(weight))
        both = [weight_only_gpu.linear(x.cuda(), there, portable=portable) for portable in (False, True)]
        assert torch.equal(*both)


@pytest.mark.usefixtures("plain_pytorch")
def test_the_owner_may_ask_for_plain_pytorch() -> None:
    weight, x = quantize_ternary(torch.randn(96, 1280)), torch.randn(5, 1280)
    there = on_the_gpu(weight)
    torch.testing.assert_close(matmul(x.cuda(), there).cpu(), matmul(x, weight), rtol=1e-5, atol=1e-3)
    assert "gpu" not in there.prepared


@pytest.mark.parametrize("quantize_weight", QUANTIZERS)
def test_gates_and_values_become_one(quantize_weight: Callable[[Tensor], PackedWeight]) -> None:
    weight, x = quantize_weight(torch.randn(640, 512)), torch.randn(2, 100, 512)
    plain, gated = matmul_swiglu(x.cuda(), on_the_gpu(weight), 128)
    expected = reference.matmul(x, weight)
    assert torch.equal(plain.cpu(), expected[..., :128])
    torch.testing.assert_close(gated.cpu(), swiglu(expected[..., 128:].contiguous()), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("quantize_weight", QUANTIZERS)
def test_what_goes_before_and_behind_a_product(quantize_weight: Callable[[Tensor], PackedWeight]) -> None:
    weight, x, vector = quantize_weight(torch.randn(512, 512)), torch.randn(2, 100, 512), torch.randn(512)
    there, xs, vectors = on_the_gpu(weight), x.cuda(), vector.cuda()
    waiting = Modulated(xs, vectors, vectors, 1e-6)
    assert torch.equal(matmul(waiting, there), matmul(waiting.values(), there))
    added = matmul_residual(xs, there, xs, vectors)
    torch.testing.assert_close(added.cpu(), matmul_residual(x, weight, x, vector), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("quantize_weight", QUANTIZERS)
def test_the_assembly_gives_what_the_portable_code_gives(
    quantize_weight: Callable[[Tensor], PackedWeight],
) -> None:
    if card.refusal() is not None:
        pytest.skip(f"our kernels are not taken: {card.refusal()}")
    weight = gpu.prepared(on_the_gpu(quantize_weight(torch.randn(1000, 1280))))
    codes = torch.randint(-127, 128, (500, 1280), dtype=torch.int8, device="cuda")
    scale = torch.rand(500, 1, device="cuda")
    both = [torch.full((500, 1000), torch.nan, device="cuda") for _ in range(2)]
    for portable, out in enumerate(both):
        gpu.product(codes, scale, weight, out, portable=bool(portable))
    assert torch.equal(*both)


def test_this_card_proves_the_kernels() -> None:
    if card.refusal() is not None:
        pytest.skip(f"our kernels are not taken: {card.refusal()}")
    assert row_kernels_hold(torch.cuda.current_device())
    for format in ("binary", "ternary", "int4", "int8"):
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            assert gpu.is_exact(torch.cuda.current_device(), format, dtype)


def test_packing_is_the_same_bytes() -> None:
    codes = torch.randint(-1, 2, (3, 256), dtype=torch.int8)
    assert torch.equal(pack_ternary(codes.cuda()).cpu(), pack_ternary(codes))
    assert torch.equal(unpack_ternary(pack_ternary(codes).cuda()).cpu(), codes)
