"""The weight of a convolution as int8 codes with a scale for each output channel."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ConvWeight:
    """weight = codes * scales, for a convolution of stride 1 that keeps height and width.

    codes   int8 [O, I, K, K] in -127..127, K odd
    scales  float32 [O]
    bias    float32 [O]

    Keep the object as long as the layer lives: ops store what they prepared from it in `prepared`.
    Raises ValueError, naming the shapes, when the parts do not fit together.
    """

    codes: Tensor
    scales: Tensor
    bias: Tensor
    prepared: dict[str, object] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        shape = tuple(self.codes.shape)
        if self.codes.dtype != torch.int8 or len(shape) != 4 or shape[2] != shape[3] or shape[2] % 2 == 0:
            raise ValueError(
                f"codes of a convolution must be int8 [O, I, K, K] with odd K, not {self.codes.dtype} {shape}"
            )
        for what, tensor in (("scales", self.scales), ("bias", self.bias)):
            if tensor.dtype != torch.float32 or tuple(tensor.shape) != shape[:1]:
                raise ValueError(
                    f"{what} of a convolution with codes {shape} must be float32 [{shape[0]}],"
                    f" not {tensor.dtype} {list(tensor.shape)}"
                )

    @property
    def padding(self) -> int:
        """Zeros on each side of the input."""
        return int(self.codes.shape[2]) // 2


def quantize_conv(weight: Tensor, bias: Tensor | None = None) -> ConvWeight:
    """Floating point [O, I, K, K] and bias [O] (None: zeros) -> int8: scale = max |weight| / 127 of an output
    channel, codes = round-half-even(weight / scale). A channel of zeros keeps scale 0.

    Raises ValueError for a weight that is not finite.
    """
    wide = weight.detach().float()
    if not bool(wide.isfinite().all()):
        raise ValueError("the weight of a convolution must be finite")
    scales = wide.abs().amax(dim=(1, 2, 3)) / 127
    codes = (wide / torch.where(scales == 0, 1, scales).view(-1, 1, 1, 1)).round_().to(torch.int8)
    added = torch.zeros_like(scales) if bias is None else bias.detach().float()
    return ConvWeight(codes, scales, added)
