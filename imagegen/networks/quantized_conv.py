"""A convolution behind SiLU whose weight is int8; takes the place of `nn.Conv2d` where a decoder is narrowed.

Knows nothing of files or of which decoder stands it: `weights/load.py` decides that.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import silu

from imagegen_kernels import silu_conv
from imagegen_kernels.formats import ConvWeight


class QuantizedConv(nn.Module):
    """`weight` of a convolution, int8; `silu_then` runs it."""

    def __init__(self, weight: ConvWeight) -> None:
        super().__init__()
        self.weight = weight

    def extra_repr(self) -> str:
        outputs, inputs, *kernel = self.weight.codes.shape
        return f"{inputs} -> {outputs}, {kernel}, int8"


def silu_then(convolution: nn.Module, x: Tensor) -> Tensor:
    """silu(x), then the convolution, quantised or not. x may be overwritten."""
    if isinstance(convolution, QuantizedConv):
        return silu_conv(x, convolution.weight)
    out: Tensor = convolution(silu(x, inplace=True))
    return out
