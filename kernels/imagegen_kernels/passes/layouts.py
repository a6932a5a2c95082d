"""Rows of a weight laid out as `products` wants them: by octets, a register four columns of eight rows.

int8 [N / 8, K / 4, 8, 4], a run of 128 columns after another. Behind the last row it comes again.
"""

from __future__ import annotations

from collections.abc import Callable

from imagegen_kernels.matmul.octets import OCTET
from imagegen_kernels.matmul.unpacking import RUN
from imagegen_kernels.passes.code import I8, I32, I64, Array, Number, Writer
from imagegen_kernels.passes.machine import compiled

EACH = 4
"""Octets that a thread lays out before it asks for more."""
PARTS = 4
"""Vectors of 32 columns in a run."""

Read = Callable[[Array, int], Number]
"""A run of packed codes, and which of its parts -> that part's int8 codes, a vector of 32."""


@compiled(EACH)
def lay_out_codes(w: Writer) -> None:
    """int8 codes [N, K]."""
    _lay_out(w, 8, lambda run, part: run.vector(w.number(32 * part, I64), 32))


@compiled(EACH)
def lay_out_ternary(w: Writer) -> None:
    """Packed ternary codes [N, K / 4] (formats/bits.py)."""
    _lay_out(w, 2, lambda run, part: (run.vector(w.number(0, I64), 32) << 2 * part) >> 6)


@compiled(EACH)
def lay_out_binary(w: Writer) -> None:
    """Packed binary codes [N, K / 8] (formats/bits.py): a set bit is -1, another 1."""

    def read(run: Array, part: int) -> Number:
        packed = run.vector(w.number(0, I64), 16)
        both = w.shuffled(packed << 2 * part, packed << (2 * part + 1), range(32))
        return (both >> 7) | 1

    _lay_out(w, 1, read)


def _lay_out(w: Writer, bits: int, read: Read) -> None:
    rows, runs, packed, out = w.integer(0), w.integer(1), w.array(2, I8), w.array(3, I8)
    size = RUN * bits // 8
    with w.rows() as octet:
        places = [(octet * OCTET + i).at_most(rows - 1) for i in range(OCTET)]
        with w.loop(runs) as run:
            sources = [packed.from_((place * runs + run) * size) for place in places]
            for part in range(PARTS):
                quads = _turned(w, [read(source, part).lanes_as(I32) for source in sources])
                for number, quad in enumerate(quads):
                    at = (octet * runs + run) * (RUN * OCTET) + (part * OCTET + number) * 32
                    out.put(at, quad.lanes_as(I8))


def _turned(w: Writer, rows: list[Number]) -> list[Number]:
    """Eight rows of eight numbers -> its eight columns."""
    pairs = [
        (w.shuffled(a, b, _LOW), w.shuffled(a, b, _HIGH)) for a, b in zip(rows[::2], rows[1::2], strict=True)
    ]
    fours = []
    for (low, high), (next_low, next_high) in (pairs[:2], pairs[2:]):
        fours.append(
            [
                w.shuffled(a, b, lanes)
                for a, b in ((low, next_low), (high, next_high))
                for lanes in (_EVEN, _ODD)
            ]
        )
    halves = list(zip(*fours, strict=True))
    return [w.shuffled(a, b, lanes) for lanes in (_FIRST, _SECOND) for a, b in halves]


# Lanes of two vectors of eight, within their halves as AVX2's instructions have it: the next single numbers
# of both, the next pairs of both, and at last half of both.
_LOW, _HIGH = (0, 8, 1, 9, 4, 12, 5, 13), (2, 10, 3, 11, 6, 14, 7, 15)
_EVEN, _ODD = (0, 1, 8, 9, 4, 5, 12, 13), (2, 3, 10, 11, 6, 7, 14, 15)
_FIRST, _SECOND = (0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15)
