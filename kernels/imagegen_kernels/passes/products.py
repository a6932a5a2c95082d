"""Products of int8 codes on x86 processors with AVX2 and without 8-bit dot products.

`vpmaddubsw` multiplies 32 unsigned bytes by 32 signed ones and adds neighbours, in 16 bits, which saturate.
Nothing saturates here. Tokens are 255 at most and a sign is -1, 0 or 1, so that 128 columns give
2 * 32 * 255 = 16,320 at most in any lane; those sums are multiplied by their group's factor, in 32 bits. An
int8 code goes by its magnitude, and gives its sign to the token: two products are 2 * 128 * 127 at most.

A weight is laid out by octets (`layouts`), tokens by rows; matmul/octets.py and matmul/avx2.py hand them in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imagegen_kernels.matmul.octets import BLOCK, CHUNK, OCTET
from imagegen_kernels.matmul.unpacking import RUN
from imagegen_kernels.passes.code import F32, I8, I16, I32, Array, Number, Variable, Writer
from imagegen_kernels.passes.machine import compiled

TOKENS = 4
"""Tokens multiplied at a time: with BLOCK octets eight sums of 16 bits, which stay in registers."""
QUADS = RUN // 4
"""Columns by fours of a run."""
STEPS = 2
"""Of them in one turn of the innermost loop."""

SIGNED = -0x7F7F7F80
"""What turns four codes from 128 into signed ones: the highest bit of each byte."""
SLAB = 8
"""Runs that all tokens of a task are multiplied with before the next ones: 16 KB of a block of the weight,
which stay in the nearest cache."""

Sums = list[list[Variable]]
"""int32, eight rows each, of every token and octet that are multiplied at a time."""


@compiled(1)
def multiply_signs(w: Writer) -> None:
    """Tokens uint8 [M, K], codes from 128, times signs int8 [N / 8, K / 4, 8, 4] and factors int16
    [N / 8, K / 128, 8, 2], added to `start` int32 [N] -> int32 [M, N]."""
    _multiply(w, _add_signs, _sums)


@compiled(1)
def multiply_signs_scaled(w: Writer) -> None:
    """`multiply_signs`, times row scales float32 [N] -> float32 [M, N]."""
    _multiply(w, _add_signs, _scaled)


@compiled(1)
def multiply_codes(w: Writer) -> None:
    """Tokens as above times int8 codes [N / 8, K / 4, 8, 4], added to `start`; factors are not read."""
    _multiply(w, _add_codes, _sums)


@compiled(1)
def multiply_codes_scaled(w: Writer) -> None:
    """`multiply_codes`, times row scales float32 [N] -> float32 [M, N]."""
    _multiply(w, _add_codes, _scaled)


def _sums(w: Writer, at: Number, column: Number, sums: Number) -> None:
    w.array(9, I32).put(at, sums)


def _scaled(w: Writer, at: Number, column: Number, sums: Number) -> None:
    w.array(9, F32).put(at, sums.as_type(F32) * w.array(10, F32).vector(column, OCTET))


@dataclass(frozen=True)
class Slab:
    """What is multiplied at a time: a block of the weight, from its first octet on, with TOKENS tokens, over
    some runs of their columns. `runs`: of a whole row."""

    octet: Number
    tokens: list[Array]
    runs: Number
    first: Number
    last: Number


def _multiply(
    w: Writer,
    add: Callable[[Writer, Slab, Sums], None],
    write: Callable[[Writer, Number, Number, Number], None],
) -> None:
    """A row of the pass is a task: BLOCK octets of the weight and a chunk of tokens.

    write: eight sums of a token; where they belong in [M, N], and in which column that is.
    """
    count, octets, runs, blocks, size = (w.integer(place) for place in range(5))
    tokens, start, room = w.array(5, I32), w.array(8, I32), w.room(I32, CHUNK * BLOCK * OCTET)
    with w.rows() as task:
        chunk = task / blocks
        # The last block may begin before the end of the one ahead of it, and writes the same there.
        octet = ((task - chunk * blocks) * BLOCK).at_most(octets - BLOCK)
        first = chunk * size
        here = (count - first).at_most(size)
        groups = (here + (TOKENS - 1)) / TOKENS
        with w.loop(groups * TOKENS) as token:
            for j in range(BLOCK):
                room.put((token * BLOCK + j) * OCTET, start.vector((octet + j) * OCTET, OCTET))
        with w.loop((runs + (SLAB - 1)) / SLAB) as number, w.loop(groups) as group:
            # Behind the last token it comes again.
            places = [first + (group * TOKENS + i).at_most(here - 1) for i in range(TOKENS)]
            rows = [tokens.from_(place * runs * QUADS) for place in places]
            slab = Slab(octet, rows, runs, number * SLAB, (number * SLAB + SLAB).at_most(runs))
            at = [[((group * TOKENS + i) * BLOCK + j) * OCTET for j in range(BLOCK)] for i in range(TOKENS)]
            sums = [[w.variable(room.vector(place, OCTET)) for place in both] for both in at]
            add(w, slab, sums)
            for both, found in zip(at, sums, strict=True):
                for place, one in zip(both, found, strict=True):
                    room.put(place, one.get())
        with w.loop(here) as token:
            for j in range(BLOCK):
                column = (octet + j) * OCTET
                place = (first + token) * octets * OCTET + column
                write(w, place, column, room.vector((token * BLOCK + j) * OCTET, OCTET))


def _add_signs(w: Writer, slab: Slab, sums: Sums) -> None:
    signs, factors = w.array(6, I8), w.array(7, I16)
    with w.between(slab.first, slab.last) as run:
        parts = [[w.variable(w.zeros(I16, 16)) for _ in range(BLOCK)] for _ in slab.tokens]
        with w.loop(QUADS // STEPS) as turn:
            for step in range(STEPS):
                quad = run * QUADS + turn * STEPS + step
                codes = _codes(signs, slab, quad)
                for token, part in zip(slab.tokens, parts, strict=True):
                    four = w.spread(token[quad], OCTET).lanes_as(I8)
                    for code, one in zip(codes, part, strict=True):
                        one.set(one.get() + w.byte_pairs(four, code))
        for j in range(BLOCK):
            factor = factors.vector(((slab.octet + j) * slab.runs + run) * 16, 16)
            for part, total in zip(parts, sums, strict=True):
                total[j].set(total[j].get() + w.short_pairs(part[j].get(), factor))


def _add_codes(w: Writer, slab: Slab, sums: Sums) -> None:
    weight, ones = w.array(6, I8), w.zeros(I16, 16) + 1
    with w.between(slab.first * QUADS, slab.last * QUADS) as quad:
        codes = _codes(weight, slab, quad)
        magnitudes = [code.at_least(0 - code) for code in codes]
        for token, total in zip(slab.tokens, sums, strict=True):
            four = w.spread(token[quad] ^ SIGNED, OCTET).lanes_as(I8)
            for code, magnitude, one in zip(codes, magnitudes, total, strict=True):
                pairs = w.byte_pairs(magnitude, w.signed_like(four, code))
                one.set(one.get() + w.short_pairs(pairs, ones))


def _codes(weight: Array, slab: Slab, quad: Number) -> list[Number]:
    """Of the block's octets, four columns."""
    return [weight.vector(((slab.octet + j) * slab.runs * QUADS + quad) * 32, 32) for j in range(BLOCK)]
