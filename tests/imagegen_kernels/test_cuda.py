"""On a GPU every op gives what it gives on a CPU, to rounding."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from imagegen_kernels import attention, gated_residual, matmul, modulate, qk_rope, quantize, rms_norm, swiglu
from imagegen_kernels.formats import (
    PackedWeight,
    pack_ternary,
    quantize_int8,
    quantize_ternary,
    unpack_ternary,
)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

B, S, H, D = 2, 33, 4, 64
C = H * D


def heads(x: Tensor) -> Tensor:
    return x.view(B, S, H, D).transpose(1, 2)


def rotated(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    angle = torch.arange(S * D // 2).view(S, D // 2) / 7
    qk = x.view(B, S, H, D).repeat(1, 1, 2, 1)
    cos, sin = angle.cos().to(x.device), angle.sin().to(x.device)
    return qk_rope(qk, H, weight, weight, cos, sin, interleaved=True)


OPS: dict[str, Callable[..., Tensor | tuple[Tensor, ...]]] = {
    "attention": lambda x, v: attention(heads(x), heads(x), heads(x)),
    "gated_residual": lambda x, v: gated_residual(x, v, x.flip(1)),
    "modulate": lambda x, v: modulate(x, v, v),
    "qk_rope": lambda x, v: rotated(x, v[:D]),
    "quantize": lambda x, v: quantize(x),
    "rms_norm": lambda x, v: rms_norm(x, v),
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


@pytest.mark.parametrize("quantize_weight", [quantize_ternary, quantize_int8])
def test_matmul_gives_what_it_gives_on_a_cpu(quantize_weight: Callable[[Tensor], PackedWeight]) -> None:
    weight, x = quantize_weight(torch.randn(96, 1280)), torch.randn(5, 1280)
    there = PackedWeight(
        weight.packed.cuda(), weight.scales.cuda(), weight.format, weight.shape, weight.group_size
    )
    torch.testing.assert_close(matmul(x.cuda(), there).cpu(), matmul(x, weight), rtol=1e-5, atol=1e-3)


def test_packing_is_the_same_bytes() -> None:
    codes = torch.randint(-1, 2, (3, 256), dtype=torch.int8)
    assert torch.equal(pack_ternary(codes.cuda()).cpu(), pack_ternary(codes))
    assert torch.equal(unpack_ternary(pack_ternary(codes).cuda()).cpu(), codes)
