"""Passes over tokens: rows of a float32 matrix."""

from __future__ import annotations

from collections.abc import Callable

from imagegen_kernels.passes.code import F32, I8, I32, I64, Array, Number, Writer
from imagegen_kernels.passes.functions import ROUNDER, silu
from imagegen_kernels.passes.machine import compiled
from imagegen_kernels.quantize.reference import SMALLEST

EACH = 8
"""Tokens that a thread takes at a time."""

MAGNITUDE = 0x7FFFFFFF
"""The bits of a float32 without its sign."""


@compiled(EACH)
def quantize(w: Writer) -> None:
    """x [M, K], rows `stride` apart -> codes uint8 [M, K] from 128, scale [M]."""
    columns, stride = w.integer(0), w.integer(1)
    x, codes, scales = w.array(2, F32), w.array(3, I8), w.array(4, F32)
    with w.rows() as i:
        row, coded = x.from_(i * stride), codes.from_(i * columns)
        largest = w.variable(w.number(0, I32))  # magnitudes compare as their bits do; NaN is the largest
        with w.loop(columns) as j:
            largest.set(largest.get().at_least(row[j].bits_as(I32) & MAGNITUDE))
        scale = largest.get().bits_as(F32).at_least(SMALLEST) / 127.0
        scales[i] = scale
        with w.loop(columns) as j:
            coded[j] = (row[j] / scale + float(ROUNDER + 128)).bits_as(I32).as_type(I8)


@compiled(EACH)
def finish_swiglu(w: Writer) -> None:
    """Products [M, ahead + 2 N] * scale [M]: the first `ahead` in place, of the rest silu(gate) * value to
    out [M, N], rows `stride` apart."""
    ahead, width, stride = w.integer(0), w.integer(1), w.integer(2)
    products, scales, out = w.array(3, F32), w.array(4, F32), w.array(5, F32)
    with w.rows() as i:
        row, scale, gated = products.from_(i * (ahead + width * 2)), scales[i], out.from_(i * stride)
        with w.loop(ahead) as j:
            row[j] = row[j] * scale
        gates = row.from_(ahead)
        values = gates.from_(width)
        with w.loop(width) as j:
            gated[j] = silu(w, gates[j] * scale) * (values[j] * scale)


@compiled(EACH)
def finish_residual(w: Writer) -> None:
    """before [M, N] (rows `stride` apart) + gate [N] * products [M, N] * scale [M], to products."""
    columns, stride = w.integer(0), w.integer(1)
    products, scales, gate, before = (w.array(place, F32) for place in (2, 3, 4, 5))
    with w.rows() as i:
        row, scale, carried = products.from_(i * columns), scales[i], before.from_(i * stride)
        with w.loop(columns) as j:
            row[j] = w.fused(gate[j], row[j] * scale, carried[j])


@compiled(EACH)
def rotate_neighbours(w: Writer) -> None:
    """`_rotate` of channels (2j, 2j + 1)."""
    _rotate(w, lambda j, half: (j * 2, j * 2 + 1))


@compiled(EACH)
def rotate_halves(w: Writer) -> None:
    """`_rotate` of channels (j, j + D / 2)."""
    _rotate(w, lambda j, half: (j, j + half))


def _rotate(w: Writer, pair: Callable[[Number, Number], tuple[Number, Number]]) -> None:
    """Heads [S, C, D], tokens `stride` apart -> out [S, C, D]: divided by their root mean square, times
    weight [D] of queries (the first `queries` heads) or of keys, and pairs turned by cos, sin [S, D / 2]."""
    heads, queries, half, stride, eps = *(w.integer(place) for place in range(4)), w.real(4)
    x, query_weight, key_weight, cosines, sines, out = (w.array(place, F32) for place in range(5, 11))
    channels = half * 2
    with w.rows() as i:
        cos, sin = cosines.from_(i * half), sines.from_(i * half)
        for first, last, gain in ((w.number(0, I64), queries, query_weight), (queries, heads, key_weight)):
            with w.between(first, last) as head:
                row, turned = x.from_(i * stride + head * channels), out.from_((i * heads + head) * channels)
                square = w.total(channels, _squares(row))
                scale = 1.0 / w.root(square / channels.as_type(F32) + eps)
                with w.loop(half) as j:
                    here, there = pair(j, half)
                    one, other = row[here] * scale * gain[here], row[there] * scale * gain[there]
                    turned[here] = one * cos[j] - other * sin[j]
                    turned[there] = other * cos[j] + one * sin[j]


def _squares(row: Array) -> Callable[[Number], Number]:
    return lambda j: row[j] * row[j]
