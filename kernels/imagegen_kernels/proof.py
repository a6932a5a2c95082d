"""What the row-by-row kernels give on a card, against their specifications, once, before they are trusted.

None of them has run on a card yet. A product is proved by itself (matmul/gpu.py: `is_exact`).
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

TOLERANCE = 1e-4
"""Of float32 results about 1; a misplaced value is off by about 1."""


@functools.cache
def row_kernels_hold(index: int) -> bool:
    """Whether they do on CUDA device `index`: 2 x 5 tokens of 3 x 128 channels, float32. Some seconds, for
    the compiler; its results are kept in Triton's own cache."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 2, 5, 3 * 128, generator=generator)
    vector, angle = torch.randn(1, 1, 3 * 128, generator=generator), torch.randn(5, 64, generator=generator)
    arguments = (x, y, vector, angle)
    there = (tensor.to(torch.device("cuda", index)) for tensor in arguments)
    pairs = zip(_fast(*there), _specified(*arguments), strict=True)
    return all(_close(got, expected) for got, expected in pairs)


def _close(got: Tensor, expected: Tensor) -> bool:
    apart = (got.cpu().float() - expected.float()).abs()
    # A code beside a boundary may be its neighbour.
    return bool((apart <= (1 if expected.dtype == torch.int8 else TOLERANCE)).all())


def _fast(x: Tensor, y: Tensor, vector: Tensor, angle: Tensor) -> list[Tensor]:
    from imagegen_kernels.gated_residual.gpu import gated_residual
    from imagegen_kernels.modulate.gpu import modulate, modulate_quantize
    from imagegen_kernels.qk_rope.gpu import qk_rope
    from imagegen_kernels.quantize.gpu import quantize
    from imagegen_kernels.swiglu.gpu import swiglu

    weight = vector[0, 0, :128]
    turned = qk_rope(x.view(*x.shape[:2], 3, 128), 2, weight, weight, angle.cos(), angle.sin(), 1e-6, True)
    gated = swiglu(x, x.new_empty(*x.shape[:2], x.shape[2] // 2))
    modulated = modulate(x, vector, vector, 1e-6)
    quantized = modulate_quantize(x, vector, vector, 1e-6)
    return [*turned, gated, modulated, *quantized, *quantize(x), gated_residual(x, vector, y)]


def _specified(x: Tensor, y: Tensor, vector: Tensor, angle: Tensor) -> list[Tensor]:
    from imagegen_kernels.gated_residual.reference import gated_residual
    from imagegen_kernels.modulate.reference import modulate, modulate_quantize
    from imagegen_kernels.qk_rope.reference import qk_rope
    from imagegen_kernels.quantize.reference import quantize
    from imagegen_kernels.swiglu.reference import swiglu

    weight = vector[0, 0, :128]
    turned = qk_rope(x.view(*x.shape[:2], 3, 128), 2, weight, weight, angle.cos(), angle.sin(), 1e-6, True)
    modulated = modulate(x, vector, vector, 1e-6)
    quantized = modulate_quantize(x, vector, vector, 1e-6)
    return [*turned, swiglu(x), modulated, *quantized, *quantize(x), gated_residual(x, vector, y)]
