"""Adaptive layer normalisation on a CPU: PyTorch's layer_norm kernel with (1 + scale, shift) as its weights.

One pass instead of six: 31 -> 13 us for 64 tokens of 384 channels, 16.7 -> 2.7 ms for 768 of 3072 (float32,
one core). The kernel normalises row by row and takes one weight a call: a batch that shares its vectors is
one call, otherwise samples go one by one. Either way a sample's bits do not depend on the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor


def modulate(x: Tensor, shift: Tensor, scale: Tensor, eps: float) -> Tensor:
    """As `reference.modulate`, to rounding."""
    batch, _, channels = x.shape
    wide = x.dtype if x.dtype.itemsize >= 4 else torch.float32
    if scale.dtype != wide or shift.dtype != wide:
        scale, shift = scale.to(wide), shift.to(wide)
    weight = 1 + scale
    if weight.numel() == shift.numel() == channels:
        return torch.layer_norm(x, (channels,), weight.view(channels), shift.reshape(channels), eps)
    weights, biases = (t.reshape(-1, channels).expand(batch, channels) for t in (weight, shift))
    samples = [
        torch.layer_norm(sample, (channels,), one, other, eps)
        for sample, one, other in zip(x, weights, biases, strict=True)
    ]
    return torch.stack(samples)
