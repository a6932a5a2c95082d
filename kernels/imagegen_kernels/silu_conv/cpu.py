"""SiLU and an int8 convolution on CPUs with 8-bit dot products (VNNI).

oneDNN's int8 convolution is twice as fast as its bfloat16 one even at 16 channels, where quantising the
activations costs a quarter of it. One Zen 4 core, us for a 3x3 convolution in bfloat16 and in int8: 16
channels of 256x256 1445 and 811, 32 of 128x128 1381 and 744, 64 of 64x64 1338 and 714.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.nn.functional import group_norm, silu

from imagegen_kernels.formats import ConvWeight
from imagegen_kernels.silu_conv.reference import Norm, scale_and_zero

ROUNDER = 3 << 22
"""1.5 * 2^23: what is added to it in float32 is rounded, half to even, into the lowest bits. Converting
floats to uint8 is not vectorised: 531 us for a million of them instead of 116 (one Zen 4 core)."""

ONES = [1, 1]


class Prepared(NamedTuple):
    """A weight laid out for oneDNN."""

    codes: Tensor
    """int8 in oneDNN's own layout; only for its operators"""
    scales: Tensor
    """float32 [O]"""
    zero_points: Tensor
    """int64 [O], all 0"""
    bias: Tensor
    """float32 [O]"""


def prepared(weight: ConvWeight) -> Prepared:
    """What the convolution wants of a weight, made by the first call."""
    found = weight.prepared.get("cpu")
    if found is None:
        around = [weight.padding] * 2
        # The zero point given here only says that there is one.
        laid_out = torch.ops.onednn.qconv_prepack(
            weight.codes, weight.scales, 1.0, 1, ONES, around, ONES, 1, None
        )
        zeros = torch.zeros(len(weight.scales), dtype=torch.int64)
        found = weight.prepared["cpu"] = Prepared(laid_out, weight.scales, zeros, weight.bias)
    return cast(Prepared, found)


def levels(x: Tensor, scale: float, zero: int, out: Tensor | None = None) -> Tensor:
    """The codes of x in the lowest bits of int32: one pass, where a product and a sum are two. Written to
    `out`, which may be x, where that is given."""
    return torch.add(torch.tensor(float(ROUNDER + zero)), x, alpha=1 / scale, out=out).view(torch.int32)


def silu_conv(x: Tensor, weight: ConvWeight, norm: Norm | None) -> Tensor:
    """As `reference.silu_conv`, to rounding. Overwrites x where there is no norm: a new block for each step
    costs a third more."""
    if len(x) != 1:
        return torch.cat([silu_conv(sample.unsqueeze(0), weight, norm) for sample in x.unbind()])
    if norm is not None and suits(x):
        codes, scale, zero = _normed_codes(x, norm)
    else:
        activated = silu(x if norm is None else group_norm(x, *norm), inplace=True)
        scale, zero = scale_and_zero(float(activated.amax()))
        codes = levels(activated, scale, zero, activated).to(torch.uint8)
    around = [weight.padding] * 2
    out: Tensor = torch.ops.onednn.qconv2d_pointwise.default(
        codes, scale, zero, *prepared(weight), ONES, around, ONES, 1, 1.0, 0, torch.float32, "none", [], ""
    )
    return out


def suits(x: Tensor) -> bool:
    """Whether compiled passes take this map: channels last, and a multiple of 16 of them."""
    return x.shape[1] % 16 == 0 and x.is_contiguous(memory_format=torch.channels_last)


def statistics(x: Tensor) -> Tensor:
    """What `maps.statistics` finds in one map [1, C, H, W]: float32 [runs, 4, C]."""
    from imagegen_kernels.passes import maps

    channels, positions = x.shape[1], x.shape[2] * x.shape[3]
    each = max(maps.EACH // channels, 1)
    found = torch.empty(-(-positions // each), 4, channels)
    maps.statistics(positions, channels, x, found, each=each)
    return found


def affine(x: Tensor, norm: Norm) -> tuple[Tensor, float, int]:
    """Of norm(x) = x * gain + offset both, float32 [2, C], and scale and zero of silu(norm(x)); reads x
    once."""
    from imagegen_kernels.passes import maps

    channels, positions = x.shape[1], x.shape[2] * x.shape[3]
    found, both, largest = statistics(x), torch.empty(2, channels), torch.empty(1)
    sizes = len(found), positions, channels, norm.groups, norm.eps
    maps.group_affine(1, *sizes, found, norm.weight, norm.bias, both, largest)
    return both, *scale_and_zero(float(largest))


def _normed_codes(x: Tensor, norm: Norm) -> tuple[Tensor, float, int]:
    """Codes, scale and zero of silu(norm(x)): reads x twice and writes the codes, no map in between. 2.3 ->
    1.0 ms for 16 channels of 256x256 (one Zen 3 core)."""
    from imagegen_kernels.passes import maps

    channels, positions = x.shape[1], x.shape[2] * x.shape[3]
    both, scale, zero = affine(x, norm)
    codes = torch.empty_like(x, dtype=torch.uint8)
    each = max(maps.EACH // channels, 1)
    maps.activate(positions, channels, 1 / scale, float(zero), x, both, codes, each=each)
    return codes, scale, zero
