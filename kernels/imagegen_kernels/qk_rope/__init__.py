"""RMS normalisation of query and key heads and rotary position embedding, in one."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels import card
from imagegen_kernels.inference import inference
from imagegen_kernels.library import traceable
from imagegen_kernels.qk_rope import cpu, gpu, reference


@inference
def qk_rope(
    qk: Tensor,
    heads: int,
    q_weight: Tensor,
    k_weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    eps: float = 1e-6,
    *,
    interleaved: bool,
) -> tuple[Tensor, Tensor]:
    """Normalise each query and key head and rotate it by its position -> q [B, S, H, D], k [B, S, G, D] in
    the dtype of qk.

    qk [B, S, H + G, D], `heads` = H query heads before the key heads, as a projection of both leaves them;
    q_weight, k_weight [D]; cos, sin [S, D/2], one angle a pair of channels.
    interleaved  True pairs channels (2i, 2i+1), as FLUX does; False pairs (i, i + D/2), as Qwen does.
    Raises ValueError for shapes that do not fit.
    """
    if qk.ndim != 4 or not 0 < heads < qk.shape[2] or qk.shape[3] % 2:
        raise ValueError(f"qk_rope needs qk [B, S, {heads} + G, D] with even D, not {list(qk.shape)}")
    if cos.shape != sin.shape or cos.shape != (qk.shape[1], qk.shape[3] // 2):
        raise ValueError(
            f"qk_rope needs cos and sin [S, D/2], not {list(cos.shape)} and {list(sin.shape)}"
            f" for qk {list(qk.shape)}"
        )
    if not q_weight.shape == k_weight.shape == (qk.shape[3],):
        raise ValueError(
            f"qk_rope needs weights [{qk.shape[3]}], not {list(q_weight.shape)} and {list(k_weight.shape)}"
        )
    if torch.compiler.is_compiling():
        both: Tensor = _traced(qk, heads, q_weight, k_weight, cos, sin, eps, interleaved)
        return both[:, :, :heads], both[:, :, heads:]
    run = reference.qk_rope
    if qk.is_cpu:
        run = cpu.qk_rope
    elif card.takes(qk.device) and gpu.suits(qk):
        run = gpu.qk_rope
    return run(qk, heads, q_weight, k_weight, cos, sin, eps, interleaved)


def _real(
    qk: Tensor,
    heads: int,
    q_weight: Tensor,
    k_weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    eps: float,
    interleaved: bool,
) -> Tensor:
    """Queries and keys beside each other: an op's results may not share memory."""
    q, k = qk_rope(qk, heads, q_weight, k_weight, cos, sin, eps, interleaved=interleaved)
    return torch.cat([q, k], dim=2)


def _fake(qk: Tensor, *rest: object) -> Tensor:
    return torch.empty_like(qk, memory_format=torch.contiguous_format)


_traced = traceable(
    "qk_rope(Tensor qk, int heads, Tensor q_weight, Tensor k_weight, Tensor cos, Tensor sin, float eps,"
    " bool interleaved) -> Tensor",
    _real,
    _fake,
)


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `qk_rope` runs on `device`."""
    if device == "cpu":
        return "cpu", "one compiled pass; float64 and short bfloat16: pairs as complex numbers"
    return card.row_kernel()
