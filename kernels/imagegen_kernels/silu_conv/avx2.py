"""SiLU and a convolution with int8 weights on x86 processors with AVX2 and without 8-bit dot products.

oneDNN's int8 convolution saturates there. Codes and weights are multiplied as int16 (passes/convolutions.py):
exact sums, 1.7 to 2 times as fast as oneDNN's float32 convolution.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.nn.functional import group_norm, pad, silu

from imagegen_kernels.formats import ConvWeight
from imagegen_kernels.silu_conv.cpu import affine, suits
from imagegen_kernels.silu_conv.reference import Norm, scale_and_zero

CHANNELS = 16
"""Of the result, made together."""


class Laid(NamedTuple):
    """A weight (O, I) of T x U taps, as it is multiplied; O is filled up with zeros to a multiple of 16, I to
    one of 2."""

    codes: Tensor
    """int16 [O / 16, T, U * I / 2, 16, 2]"""
    scales: Tensor
    """float32 [O]"""
    bias: Tensor
    """float32 [O]"""


def lay_out(codes: Tensor, scales: Tensor, bias: Tensor) -> Laid:
    """Codes int8 [O, I, T, U], scales and bias float32 [O]."""
    outputs, inputs, taps, across = codes.shape
    more, odd = -outputs % CHANNELS, inputs % 2
    whole = pad(codes.short(), (0, 0, 0, 0, 0, odd, 0, more)).permute(0, 2, 3, 1)
    pairs = whole.reshape(-1, CHANNELS, taps, across * (inputs + odd) // 2, 2).permute(0, 2, 3, 1, 4)
    return Laid(pairs.contiguous(), pad(scales, (0, more)), pad(bias, (0, more)))


def convolve(codes: Tensor, weight: Laid, scale: float, out: Tensor) -> None:
    """Codes int16 [H + T - 1, W + U - 1, I] -> float32 to out [H, W, O], both maybe of something wider."""
    from imagegen_kernels.passes import convolutions

    height, width, _ = out.shape
    blocks, taps, length, _, _ = weight.codes.shape
    sizes = width, codes.stride(0) // 2, codes.stride(1) // 2, taps, length
    apart = blocks, out.stride(0), out.stride(1)
    operands = codes, weight.codes, weight.scales, weight.bias, out
    convolutions.convolve(height, *sizes, *apart, float(scale), *operands)


def prepared(weight: ConvWeight) -> Laid:
    """What the convolution wants of a weight, made by the first call."""
    found = weight.prepared.get("avx2")
    if found is None:
        found = weight.prepared["avx2"] = lay_out(weight.codes, weight.scales, weight.bias)
    return cast(Laid, found)


def silu_conv(x: Tensor, weight: ConvWeight, norm: Norm | None) -> Tensor:
    """As `reference.silu_conv`, to rounding. Overwrites x where there is no norm."""
    if len(x) != 1:
        return torch.cat([silu_conv(sample.unsqueeze(0), weight, norm) for sample in x.unbind()])
    if norm is not None and suits(x):
        codes, scale = _activated(x, norm, weight.padding)
    else:
        activated = silu(x if norm is None else group_norm(x, *norm), inplace=True)
        scale, zero = scale_and_zero(float(activated.amax()))
        codes = encode(activated, scale, zero, weight.padding)
    laid = prepared(weight)
    out = torch.empty(*x.shape[2:], len(laid.bias))
    convolve(codes, laid, scale, out)
    return channels_first(out, len(weight.bias))


def channels_first(out: Tensor, channels: int) -> Tensor:
    """[H, W, O] -> its first channels [1, C, H, W], which lie last in memory."""
    return out[..., :channels].contiguous().unsqueeze(0).permute(0, 3, 1, 2)


def encode(x: Tensor, scale: float, zero: int, around: int) -> Tensor:
    """x [1, C, H, W] -> codes int16 less their zero [H + 2, W + 2, C] with zeros around them; C is filled up
    to a multiple of 2."""
    from imagegen_kernels.passes import maps

    x = pad(x, (0, 0, 0, 0, 0, x.shape[1] % 2)).contiguous(memory_format=torch.channels_last)
    codes, inside = _bordered(x, around)
    row = x.shape[1] * x.shape[3]
    sizes, each = (row, codes.stride(0), zero), max(maps.EACH // row, 1)
    maps.encode_signed(x.shape[2], *sizes, 1 / scale, float(zero), x, inside, each=each)
    return codes


def _activated(x: Tensor, norm: Norm, around: int) -> tuple[Tensor, float]:
    """`encode` of silu(norm(x)), of a map that suits, and the scale; no map lies in between."""
    from imagegen_kernels.passes import maps

    _, channels, height, width = x.shape
    both, scale, zero = affine(x, norm)
    codes, inside = _bordered(x, around)
    sizes, each = (width, channels, codes.stride(0), zero), max(maps.EACH // (width * channels), 1)
    maps.activate_signed(height, *sizes, 1 / scale, float(zero), x, both, inside, each=each)
    return codes, scale


def _bordered(x: Tensor, around: int) -> tuple[Tensor, Tensor]:
    """Room for codes of x with zeros around them, and the part inside, which is still to be written."""
    _, channels, height, width = x.shape
    codes = torch.empty(height + 2 * around, width + 2 * around, channels, dtype=torch.int16)
    for border in (codes[:around], codes[:, :around], codes[around + height :], codes[:, around + width :]):
        border.zero_()
    return codes, codes[around:, around:]
