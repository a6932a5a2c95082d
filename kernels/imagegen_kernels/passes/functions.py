"""Functions of numbers that passes share."""

from __future__ import annotations

from imagegen_kernels.passes.code import F32, I32, Number, Writer

ROUNDER = 3 << 22
"""1.5 * 2^23: what is added to it is rounded, half to even, into the lowest bits of the sum."""

LOWEST = -87.0
"""exp of less is taken for exp of this, 1.6e-38."""


def exponential(w: Writer, x: Number) -> Number:
    """exp(x) for x up to 88, to 2 units in the last place (Cephes' polynomial)."""
    number = x.at_least(LOWEST)
    shifted = w.fused(1.44269504, number, ROUNDER)
    whole = shifted - ROUNDER
    rest = w.fused(2.12194440e-4, whole, w.fused(-0.693359375, whole, number))
    value = w.number(1.9875691500e-4, x.value.type)
    for coefficient in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        value = w.fused(value, rest, coefficient)
    value = w.fused(value, rest * rest, rest) + 1.0
    return (value.bits_as(I32) + (shifted.bits_as(I32) << 23)).bits_as(F32)


def silu(w: Writer, x: Number) -> Number:
    """x / (1 + exp(-x))"""
    return x / (exponential(w, (-x).at_most(-LOWEST)) + 1.0)
