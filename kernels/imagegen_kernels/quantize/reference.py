"""Per-token int8 quantisation of activations, as plain PyTorch: the specification."""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST = 1e-30
"""A token whose largest magnitude is below this is quantised as if it were this: nothing is divided by 0."""


def quantize(x: Tensor) -> tuple[Tensor, Tensor]:
    """x [..., K] -> codes int8 [..., K] in -127..127 and scale float32 [..., 1] with `x ~ codes * scale`.

    scale = max |x| / 127 over the token, codes = round-half-even(x / scale), in float32.
    """
    x = x.float()
    scale = x.abs().amax(dim=-1, keepdim=True).clamp_min_(SMALLEST) / 127
    return (x / scale).round_().to(torch.int8), scale
