"""RMS normalisation and rotation on a CPU: one compiled pass (passes.tokens) in float32; otherwise each pair
of channels as one complex number, queries and keys together.

The rotation is then one pass over contiguous memory instead of six over every second element: with the
normalisation 211 -> 58 us for 64 tokens of 6 heads of 64, 19.0 -> 5.0 ms for 768 of 24 of 128 (float32, one
Zen 4 core). Queries and keys in one go instead of two: 103 -> 51 us for 112 tokens of 6 + 6 heads of 64 (Zen
5). Angles kept as complex numbers, and the root mean square by PyTorch's norm, which reads once: 102 -> 68 us
for 64 tokens of 6 + 6 heads (Zen 4).

Long bfloat16 ones go through one compiled pass (cpu_kernels), which reads and writes them once: 11.4 -> 5.4
ms of a Zen 4 core for 1536 tokens of 24 + 24 heads of 128.

Samples go one by one: the complex product rounds differently in the body and the tail of its loop, and where
the tails fall depends on the size of the tensor.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from imagegen_kernels import threads
from imagegen_kernels.rms_norm.cpu import inverse_root_mean_square

TOKENS = 256
"""Tokens turned at a time: what a step leaves for the next one stays in the cache, and new memory is little
enough to be used again (a large block is mapped page by page at every call)."""


LONG = 512
"""Tokens from which on the compiled pass is taken: a small picture shall not wait for Numba to be loaded."""

EACH = 8
"""Tokens a thread turns before it asks for more."""


def qk_rope(
    qk: Tensor,
    heads: int,
    q_weight: Tensor,
    k_weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    eps: float,
    interleaved: bool,
) -> tuple[Tensor, Tensor]:
    """As `reference.qk_rope`, to rounding. Angles are kept, and must not be changed afterwards."""
    out = torch.empty_like(qk, memory_format=torch.contiguous_format)
    if suits(qk, interleaved):
        _rotate_compiled(qk, out, heads, (q_weight, k_weight), cos, sin, eps)
        return out[:, :, :heads], out[:, :, heads:]
    if qk.dtype == torch.float32:
        _rotate_singles(qk, out, heads, (q_weight, k_weight), cos, sin, eps, interleaved)
        return out[:, :, :heads], out[:, :, heads:]
    wide = qk.dtype if qk.dtype.itemsize >= 4 else torch.float32
    if q_weight.dtype != wide or k_weight.dtype != wide:
        q_weight, k_weight = q_weight.to(wide), k_weight.to(wide)
    weights, turn = (q_weight, k_weight), _turn(cos, sin, wide)
    if len(qk) == 1 and len(turn) <= TOKENS:
        _rotate(qk[0], out[0], heads, weights, eps, turn, interleaved)
        return out[:, :, :heads], out[:, :, heads:]
    for sample, turned in zip(qk.unbind(), out.unbind(), strict=True):
        for start in range(0, len(sample), TOKENS):
            part = slice(start, start + TOKENS)
            _rotate(sample[part], turned[part], heads, weights, eps, turn[part], interleaved)
    return out[:, :, :heads], out[:, :, heads:]


def _rotate_singles(
    qk: Tensor,
    out: Tensor,
    heads: int,
    weights: tuple[Tensor, Tensor],
    cos: Tensor,
    sin: Tensor,
    eps: float,
    interleaved: bool,
) -> None:
    from imagegen_kernels.passes import tokens

    batch, length, count, channels = qk.shape
    if qk.stride(3) != 1 or qk.stride(2) != channels:
        qk = qk.contiguous()
    run = tokens.rotate_neighbours if interleaved else tokens.rotate_halves
    sizes = count, heads, channels // 2, qk.stride(1), eps
    tensors = [tensor.float().contiguous() for tensor in (*weights, cos, sin)]
    if batch == 1:
        run(length, *sizes, qk, *tensors, out)
        return
    for sample, turned in zip(qk.unbind(), out.unbind(), strict=True):
        run(length, *sizes, sample, *tensors, turned)


def suits(qk: Tensor, interleaved: bool) -> bool:
    """Whether the compiled pass takes these: heads that lie together, a token's beside each other."""
    together = qk.stride(3) == 1 and qk.stride(2) == qk.shape[3]
    return qk.dtype == torch.bfloat16 and interleaved and together and qk.shape[1] >= LONG


def _rotate_compiled(
    qk: Tensor,
    out: Tensor,
    heads: int,
    weights: tuple[Tensor, Tensor],
    cos: Tensor,
    sin: Tensor,
    eps: float,
) -> None:
    from imagegen_kernels import cpu_kernels

    _, length, count, channels = qk.shape
    gains = (one.expand(n, channels) for one, n in zip(weights, (heads, count - heads), strict=True))
    weight, small = torch.cat([*gains]).float(), torch.tensor([eps])
    cos, sin = cos.float().contiguous(), sin.float().contiguous()
    for sample, turned in zip(qk.unbind(), out.unbind(), strict=True):
        sizes = count, channels, sample.stride(0)
        tensors = small, sample, weight, cos, sin, turned
        threads.run(cpu_kernels.rotate.address, length, EACH, *sizes, *tensors)


@functools.lru_cache(maxsize=8)
def _turn(cos: Tensor, sin: Tensor, wide: torch.dtype) -> Tensor:
    """Angles as complex numbers [S, 1, D/2]. All layers and steps ask for those of the same tensors."""
    return torch.complex(cos.to(wide), sin.to(wide)).unsqueeze(1)


def _rotate(
    heads: Tensor,
    out: Tensor,
    queries: int,
    weights: tuple[Tensor, Tensor],
    eps: float,
    turn: Tensor,
    interleaved: bool,
) -> None:
    """Heads [S, C, D], the first of them `queries`, turned by [S, 1, D/2] into `out`."""
    if heads.dtype != turn.dtype.to_real():
        heads = heads.to(turn.dtype.to_real())
    scale = inverse_root_mean_square(heads, eps)
    turned = torch.mul(heads, scale, out=out if out.dtype == heads.dtype else torch.empty_like(heads))
    turned[:, :queries].mul_(weights[0])
    turned[:, queries:].mul_(weights[1])
    if interleaved:
        torch.view_as_complex(turned.view(*turned.shape[:2], -1, 2)).mul_(turn)
    else:
        pairs = torch.complex(*turned.chunk(2, dim=-1)).mul_(turn)
        torch.cat([pairs.real, pairs.imag], dim=-1, out=turned)
    if turned is not out:
        out.copy_(turned)
