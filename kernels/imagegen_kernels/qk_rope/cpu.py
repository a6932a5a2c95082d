"""RMS normalisation and interleaved rotation on a CPU: each pair of channels as one complex number.

The rotation is then one pass over contiguous memory instead of six over every second element: 211 -> 58 us
with the normalisation for 64 tokens of 6 heads of 64, 19.0 -> 5.0 ms for 768 of 24 of 128 (float32, one
core).

Samples go one by one: the complex product rounds differently in the body and the tail of its loop, and where
the tails fall depends on the size of the tensor.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def normed_and_rotated(x: Tensor, weight: Tensor, cos: Tensor, sin: Tensor, eps: float) -> Tensor:
    """x [B, S, H, D] normalised by head and rotated by pairs (2i, 2i+1); as the reference, to rounding."""
    wide = torch.promote_types(x.dtype, torch.float32)
    turn = torch.complex(cos.to(wide), sin.to(wide)).unsqueeze(1)
    weight = weight.to(wide)
    out = torch.empty(x.shape, dtype=wide)
    for sample, rotated in zip(x, out, strict=True):
        normed = functional.rms_norm(sample.to(wide), weight.shape, weight, eps)
        torch.mul(_as_complex(normed), turn, out=_as_complex(rotated))
    return out.to(x.dtype)


def _as_complex(x: Tensor) -> Tensor:
    return torch.view_as_complex(x.view(*x.shape[:-1], -1, 2))
