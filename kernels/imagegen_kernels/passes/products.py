"""Products of int8 codes on x86 processors with AVX2 and without 8-bit dot products.

`vpmaddubsw` multiplies 32 unsigned bytes by 32 signed ones and adds neighbours, in 16 bits, which saturate.
Nothing saturates here: tokens are 255 at most and a binary or ternary code is -1, 0 or 1, so that 128 columns
give 2 * 32 * 255 = 16,320 at most in any lane. Those sums are multiplied by their group's factor, in 32 bits.
"""

from __future__ import annotations

from imagegen_kernels.matmul.octets import BLOCK, CHUNK, OCTET
from imagegen_kernels.matmul.unpacking import RUN
from imagegen_kernels.passes.code import F32, I8, I16, I32, Writer
from imagegen_kernels.passes.machine import compiled

TOKENS = 4
"""Tokens multiplied at a time: with BLOCK octets eight sums of 16 bits, which stay in registers."""
QUADS = RUN // 4
"""Columns by fours that one factor belongs to."""
STEPS = 2
"""Of them in one turn of the innermost loop."""


@compiled(1)
def multiply_octets(w: Writer) -> None:
    """Tokens uint8 [M, K], codes from 128, times signs int8 [N / 8, K / 4, 8, 4] and factors int16
    [N / 8, K / 128, 8, 2], added to `start` int32 [N], times row scales float32 [N] -> float32 [M, N].

    A row of this pass is a task: BLOCK octets of the weight and CHUNK tokens.
    """
    count, octets, runs, blocks = (w.integer(place) for place in range(4))
    tokens, signs, factors = w.array(4, I32), w.array(5, I8), w.array(6, I16)
    start, scales, out = w.array(7, I32), w.array(8, F32), w.array(9, F32)
    quads = runs * QUADS
    with w.rows() as task:
        chunk = task / blocks
        # The last block may begin before the end of the one ahead of it, and writes the same there.
        octet = ((task - chunk * blocks) * BLOCK).at_most(octets - BLOCK)
        first = chunk * CHUNK
        last = (first + CHUNK).at_most(count)
        with w.loop((last - first + (TOKENS - 1)) / TOKENS) as group:
            # So do the last tokens.
            places = [(first + group * TOKENS + i).at_most(count - 1) for i in range(TOKENS)]
            rows = [tokens.from_(place * quads) for place in places]
            less = [start.vector((octet + j) * OCTET, OCTET) for j in range(BLOCK)]
            sums = [[w.variable(one) for one in less] for _ in rows]
            with w.loop(runs) as run:
                parts = [[w.variable(w.zeros(I16, 16)) for _ in range(BLOCK)] for _ in rows]
                with w.loop(QUADS // STEPS) as turn:
                    for step in range(STEPS):
                        quad = run * QUADS + turn * STEPS + step
                        codes = [signs.vector(((octet + j) * quads + quad) * 32, 32) for j in range(BLOCK)]
                        for row, part in zip(rows, parts, strict=True):
                            four = w.spread(row[quad], OCTET).lanes_as(I8)
                            for code, one in zip(codes, part, strict=True):
                                one.set(one.get() + w.byte_pairs(four, code))
                for j in range(BLOCK):
                    factor = factors.vector(((octet + j) * runs + run) * 16, 16)
                    for part, total in zip(parts, sums, strict=True):
                        total[j].set(total[j].get() + w.short_pairs(part[j].get(), factor))
            for place, total in zip(places, sums, strict=True):
                for j in range(BLOCK):
                    at = (octet + j) * OCTET
                    product = total[j].get().as_type(F32) * scales.vector(at, OCTET)
                    out.put(place * octets * OCTET + at, product)
