"""Convolutions of codes with int8 weights, on processors with AVX2: int16 numbers, exact sums of int32.

`vpmaddwd` multiplies sixteen numbers by sixteen and adds neighbours. Bytes would go twice as fast, but pairs
of codes 0..255 times weights saturate in 16 bits. Sixteen output channels lie beside each other, two vectors
of eight, so nothing is added across a vector, and two channels of a position are one broadcast for all.
"""

from __future__ import annotations

from imagegen_kernels.passes.code import F32, I16, I32, Number, Writer
from imagegen_kernels.passes.machine import compiled
from imagegen_kernels.silu_conv.avx2 import CHANNELS

_LANES = 8
_POSITIONS = 4
"""Made together: eight vectors of sums, and what is multiplied, fill the registers."""


@compiled(1)
def convolve(w: Writer) -> None:
    """Codes int16, rows and positions of them apart as told, times weight int16 [O / 16, T, L, 16, 2], times
    a scale and scales [O], plus bias [O] -> float32, rows and positions apart as told.

    A position's sum goes over T rows of codes, from its own on, and 2 L codes of each from its own on.
    """
    width, row_apart, apart, taps, length = (w.integer(place) for place in range(5))
    blocks, out_row_apart, out_apart = (w.integer(place) for place in range(5, 8))
    scale, codes, weight = w.spread(w.real(8), _LANES), w.array(9, I32), w.array(10, I16)
    scales, bias, out = (w.array(place, F32) for place in range(11, 14))

    def tile(row: Number, block: Number, first: Number, some: int) -> None:
        zero = w.zeros(I32, _LANES)
        sums = [[w.variable(zero) for _ in range(2)] for _ in range(some)]
        with w.loop(taps) as tap:
            start = (row + tap) * row_apart + first * apart
            places = [codes.from_(start + apart * i) for i in range(some)]
            taken = weight.from_((block * taps + tap) * length * (CHANNELS * 2))
            with w.loop(length) as pair:
                two = [taken.vector((pair * 2 + v) * CHANNELS, CHANNELS) for v in range(2)]
                for place, totals in zip(places, sums, strict=True):
                    both = w.spread(place[pair], _LANES).lanes_as(I16)
                    for numbers, total in zip(two, totals, strict=True):
                        total.set(total.get() + w.short_pairs(numbers, both))
        for v in range(2):
            channel = block * CHANNELS + v * _LANES
            factor, added = scales.vector(channel, _LANES) * scale, bias.vector(channel, _LANES)
            for i, totals in enumerate(sums):
                found = w.fused(totals[v].get().as_type(F32), factor, added)
                out.put(row * out_row_apart + (first + i) * out_apart + channel, found)

    with w.rows() as row, w.loop(blocks) as block:
        tiles = width / _POSITIONS
        with w.loop(tiles) as i:
            tile(row, block, i * _POSITIONS, _POSITIONS)
        with w.between(tiles * _POSITIONS, width) as position:
            tile(row, block, position, 1)
