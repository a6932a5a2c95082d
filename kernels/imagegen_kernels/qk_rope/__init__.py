"""RMS normalisation of query and key heads and rotary position embedding, in one."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.qk_rope import cpu, reference


@torch.no_grad()
def qk_rope(
    q: Tensor,
    k: Tensor,
    q_weight: Tensor,
    k_weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    eps: float = 1e-6,
    *,
    interleaved: bool,
) -> tuple[Tensor, Tensor]:
    """Normalise each head of q and k and rotate it by its position -> (q, k), each in its shape and dtype.

    q [B, S, H, D], k [B, S, G, D]; q_weight, k_weight [D]; cos, sin [S, D/2], one angle a pair of channels.
    interleaved  True pairs channels (2i, 2i+1), as FLUX does; False pairs (i, i + D/2), as Qwen does.
    Raises ValueError for shapes that do not fit.
    """
    shapes = f"q {list(q.shape)}, k {list(k.shape)}, cos {list(cos.shape)}, sin {list(sin.shape)}"
    if q.ndim != 4 or k.ndim != 4 or q.shape[:2] != k.shape[:2] or q.shape[3] != k.shape[3] or q.shape[3] % 2:
        raise ValueError(f"qk_rope needs q [B, S, H, D] and k [B, S, G, D] with even D, not {shapes}")
    if cos.shape != sin.shape or tuple(cos.shape) != (q.shape[1], q.shape[3] // 2):
        raise ValueError(f"qk_rope needs cos and sin [S, D/2], not {shapes}")
    if not tuple(q_weight.shape) == tuple(k_weight.shape) == (q.shape[3],):
        raise ValueError(
            f"qk_rope needs weights [{q.shape[3]}], not {list(q_weight.shape)} and {list(k_weight.shape)}"
        )
    if q.device.type == "cpu" and interleaved:
        run = cpu.normed_and_rotated
        return run(q, q_weight, cos, sin, eps), run(k, k_weight, cos, sin, eps)
    return reference.qk_rope(q, k, q_weight, k_weight, cos, sin, eps, interleaved)


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `qk_rope` runs on `device`."""
    if device == "cpu":
        return (
            "cpu",
            "interleaved pairs as complex numbers, a sample at a time; half-split pairs by the reference",
        )
    return "reference", "plain PyTorch; no GPU kernel is written yet"
