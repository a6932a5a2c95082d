"""Softmax attention with a mask of keys."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.attention import cpu, sdpa
from imagegen_kernels.inference import inference
from imagegen_kernels.library import traceable


@inference
def attention(
    q: Tensor, k: Tensor, v: Tensor, key_mask: Tensor | None = None, causal: bool = False
) -> Tensor:
    """softmax(q k^T / sqrt(D)) v -> [B, H, S, D] in the dtype of q.

    q         [B, H, S, D]
    k, v      [B, G, T, D]; G divides H, and each run of H/G query heads shares a key head
    key_mask  bool [B, T], True where a key may be seen (None: everywhere). A query that sees no key gets 0.
    causal    query i sees keys 0..i only (needs S == T)

    One sample's result does not depend on the batch. Raises ValueError for shapes or dtypes that do not fit.
    """
    _check(q, k, v, key_mask, causal)
    if torch.compiler.is_compiling():
        traced: Tensor = _traced(q, k, v, key_mask, causal)
        return traced
    if q.is_cpu and key_mask is None and not causal and cpu.suits(q, k):
        return cpu.attention(q, k, v)
    return sdpa.attention(q, k, v, key_mask, causal)


def _real(q: Tensor, k: Tensor, v: Tensor, key_mask: Tensor | None, causal: bool) -> Tensor:
    """Tokens, then heads in memory, as `_fake` promises: so joining the heads copies nothing."""
    return attention(q, k, v, key_mask, causal).transpose(1, 2).contiguous().transpose(1, 2)


def _fake(q: Tensor, *rest: object) -> Tensor:
    return q.new_empty(q.transpose(1, 2).shape).transpose(1, 2)


_traced = traceable(
    "attention(Tensor q, Tensor k, Tensor v, Tensor? key_mask, bool causal) -> Tensor", _real, _fake
)


def _check(q: Tensor, k: Tensor, v: Tensor, key_mask: Tensor | None, causal: bool) -> None:
    problem = _misfit(q, k, v, causal)
    if problem:
        raise ValueError(f"attention {problem}, not q {list(q.shape)}, k {list(k.shape)}, v {list(v.shape)}")
    if not q.is_floating_point() or not q.dtype == k.dtype == v.dtype:
        raise ValueError(f"attention needs one floating point dtype, not {q.dtype}, {k.dtype}, {v.dtype}")
    if key_mask is None:
        return
    expected = (k.shape[0], k.shape[2])
    if key_mask.dtype != torch.bool or tuple(key_mask.shape) != expected:
        raise ValueError(
            f"key_mask must be bool {list(expected)}, not {key_mask.dtype} {list(key_mask.shape)}"
        )


def _misfit(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> str | None:
    queries, keys = q.shape, k.shape
    if len(queries) != 4 or len(keys) != 4 or keys != v.shape or queries[::3] != keys[::3]:
        return "needs q [B, H, S, D] and k, v [B, G, T, D]"
    if not keys[1] or queries[1] % keys[1]:
        return "needs query heads that are a multiple of the key heads"
    if causal and queries[2] != keys[2]:
        return "needs as many queries as keys to be causal"
    return None


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `attention` runs on `device`."""
    if device != "cpu":
        return "sdpa", "PyTorch's fused scaled_dot_product_attention; not measured on a GPU yet"
    if cpu.multiplies_bfloat16():
        return "cpu", f"oneDNN's bfloat16 products from {cpu.LONG} tokens on, PyTorch's fused kernel below"
    return "sdpa", "PyTorch's fused scaled_dot_product_attention; this CPU has no bfloat16 dot product"
