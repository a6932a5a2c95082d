"""The weight of a convolution that doubles height and width, as int8 codes."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class DoublingWeight:
    """weight = codes * scales, for a transposed convolution of 4x4 with stride 2 and padding 1.

    Of the sixteen taps an output position sees four, by whether its row and its column are even; each such
    quarter has its own scales.

    codes   int8 [I, O, 4, 4] in -127..127
    scales  float32 [O, 2, 2]: tap (t, u) has scale [:, t % 2, u % 2]
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
        if self.codes.dtype != torch.int8 or len(shape) != 4 or shape[2:] != (4, 4):
            raise ValueError(
                f"codes of a doubling convolution must be int8 [I, O, 4, 4], not {self.codes.dtype} {shape}"
            )
        for what, tensor, wanted in (
            ("scales", self.scales, (shape[1], 2, 2)),
            ("bias", self.bias, (shape[1],)),
        ):
            if tensor.dtype != torch.float32 or tuple(tensor.shape) != wanted:
                raise ValueError(
                    f"{what} of a doubling convolution with codes {shape} must be float32 {list(wanted)},"
                    f" not {tensor.dtype} {list(tensor.shape)}"
                )


def quantize_doubling(weight: Tensor, bias: Tensor | None = None) -> DoublingWeight:
    """Floating point [I, O, 4, 4] and bias [O] (None: zeros) -> int8: scale = max |weight| / 127 of an output
    channel's quarter, codes = round-half-even(weight / scale). A quarter of zeros keeps scale 0.

    Raises ValueError for a weight that is not finite.
    """
    wide = weight.detach().float()
    if not bool(wide.isfinite().all()):
        raise ValueError("the weight of a convolution must be finite")
    quarters = wide.reshape(*wide.shape[:2], 2, 2, 2, 2)  # [I, O, t // 2, t % 2, u // 2, u % 2]
    scales = quarters.abs().amax(dim=(0, 2, 4)) / 127
    divisors = torch.where(scales == 0, 1, scales)[None, :, None, :, None, :]
    codes = (quarters / divisors).round_().to(torch.int8).reshape(wide.shape)
    added = torch.zeros(wide.shape[1]) if bias is None else bias.detach().float()
    return DoublingWeight(codes, scales, added.to(wide.device))
