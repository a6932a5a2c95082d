"""Per-token int8 quantisation of activations, as plain PyTorch: the specification."""

from __future__ import annotations

import torch
from torch import Tensor


def quantize(x: Tensor) -> tuple[Tensor, Tensor]:
    """x [..., K] -> codes int8 [..., K] in -127..127 and scale float32 [..., 1] with `x ~ codes * scale`.

    scale = max |x| / 127 over the token, codes = round-half-even(x / scale). A token of zeros has scale 0
    and codes 0. A token that holds NaN or infinity gets that as its scale, and codes of no meaning.
    """
    x = x.float()
    scale = x.abs().amax(dim=-1, keepdim=True) / 127
    codes = torch.round(x / torch.where(scale == 0, 1, scale)).nan_to_num_(0).clamp_(-127, 127)
    return codes.to(torch.int8), scale
