"""Passes over maps with channels last: float32 [P, C], P positions of C channels, C a multiple of LANES.

Between two convolutions a map is read twice and written once, as codes: `statistics` and `group_affine` find
what a group norm multiplies and adds, and how large the result gets; `activate` norms, activates and rounds.
"""

from __future__ import annotations

from imagegen_kernels.passes.code import F32, F64, I8, I16, I32, Writer
from imagegen_kernels.passes.functions import ROUNDER, silu
from imagegen_kernels.passes.machine import compiled

LANES = 16
"""Channels at a time: a register of AVX-512, two of AVX2."""

EACH = 4096
"""Numbers in a run: 16 KB, which stay in the smallest cache."""


@compiled(EACH)
def statistics(w: Writer) -> None:
    """x [P, C] -> of each run [R, 4, C]: sum, sum of squares, smallest and largest number of each channel."""
    channels, x, found = w.integer(0), w.array(1, F32), w.array(2, F32)
    with w.runs() as (first, last):
        run = found.from_(first / w.each * channels * 4)
        with w.loop(channels / LANES) as block:
            lane = block * LANES
            start = x.vector(first * channels + lane, LANES)
            total, square = (w.variable(w.number(0.0, start.value.type)) for _ in range(2))
            low, high = w.variable(start), w.variable(start)
            with w.between(first, last) as place:
                numbers = x.vector(place * channels + lane, LANES)
                total.set(total.get() + numbers)
                square.set(w.fused(numbers, numbers, square.get()))
                low.set(low.get().at_most(numbers))
                high.set(high.get().at_least(numbers))
            for part, one in enumerate((total, square, low, high)):
                run.put(lane + channels * part, one.get())


@compiled(1)
def group_affine(w: Writer) -> None:
    """What `statistics` found in `runs` runs -> affine [2, C] of a group norm, norm(x) = x * gain + offset,
    and the largest silu(norm(x)), NaN where x holds what is not finite. One row is the whole."""
    runs, positions, channels, groups, eps = *(w.integer(place) for place in range(4)), w.real(4)
    found, weight, bias, affine, largest = (w.array(place, F32) for place in range(5, 10))
    size = channels / groups
    count = (positions * size).as_type(F64)
    with w.rows():
        most, broken = w.variable(w.number(-1.0, F32)), w.variable(w.number(0.0, F64))
        with w.loop(groups) as group:
            total, square = (w.variable(w.number(0.0, F64)) for _ in range(2))
            begin = group * size
            with w.loop(runs) as run, w.between(begin, begin + size) as channel:
                part = found.from_(run * channels * 4 + channel)
                total.set(total.get() + part[0].as_type(F64))
                square.set(square.get() + part[channels].as_type(F64))
            mean = total.get() / count
            variance = (square.get() / count - mean * mean).at_least(0.0)
            rate = 1.0 / w.root(variance + eps.as_type(F64))
            broken.set(broken.get() + rate * 0.0)
            with w.between(begin, begin + size) as channel:
                gain = rate * weight[channel].as_type(F64)
                offset = bias[channel].as_type(F64) - mean * gain
                affine[channel], affine[channels + channel] = gain.as_type(F32), offset.as_type(F32)
                lowest, highest = found.from_(channels * 2 + channel), found.from_(channels * 3 + channel)
                low, high = w.variable(lowest[0]), w.variable(highest[0])
                with w.loop(runs) as run:
                    low.set(low.get().at_most(lowest[run * channels * 4]))
                    high.set(high.get().at_least(highest[run * channels * 4]))
                # silu falls, then rises: it is largest at one of the ends.
                for end in (low, high):
                    normed = w.fused(end.get(), affine[channel], affine[channels + channel])
                    most.set(most.get().at_least(silu(w, normed)))
        largest[0] = most.get() + broken.get().as_type(F32)


@compiled(EACH)
def activate(w: Writer) -> None:
    """x [P, C] -> codes uint8 [P, C] of silu(x * gain + offset): times `inverse`, plus `zero`, rounded."""
    channels = w.integer(0)
    inverse, base = w.spread(w.real(1), LANES), w.spread(w.real(2) + float(ROUNDER), LANES)
    x, affine, codes = w.array(3, F32), w.array(4, F32), w.array(5, I8)
    with w.runs() as (first, last), w.loop(channels / LANES) as block:
        lane = block * LANES
        gain, offset = affine.vector(lane, LANES), affine.vector(lane + channels, LANES)
        with w.between(first, last) as position:
            at = position * channels + lane
            activated = silu(w, w.fused(x.vector(at, LANES), gain, offset))
            codes.put(at, w.fused(activated, inverse, base).bits_as(I32).as_type(I8))


@compiled(1)
def encode(w: Writer) -> None:
    """Rows x [H, W] -> codes uint8, rows `stride` apart: x * inverse + zero, rounded."""
    width, stride, inverse, base = w.integer(0), w.integer(1), w.real(2), w.real(3) + float(ROUNDER)
    x, codes = w.array(4, F32), w.array(5, I8)
    with w.rows() as i:
        row, coded = x.from_(i * width), codes.from_(i * stride)
        with w.loop(width) as j:
            coded[j] = w.fused(row[j], inverse, base).bits_as(I32).as_type(I8)


@compiled(1)
def activate_signed(w: Writer) -> None:
    """As `activate`, but codes int16 less `zero`, rows x [W, C] to rows `stride` apart."""
    width, channels, stride, zero = (w.integer(place) for place in range(4))
    inverse, base = w.spread(w.real(4), LANES), w.spread(w.real(5) + float(ROUNDER), LANES)
    x, affine, codes = w.array(6, F32), w.array(7, F32), w.array(8, I16)
    less = w.spread(zero.as_type(I32), LANES)
    with w.rows() as i, w.loop(channels / LANES) as block:
        lane = block * LANES
        gain, offset = affine.vector(lane, LANES), affine.vector(lane + channels, LANES)
        with w.loop(width) as j:
            at = j * channels + lane
            normed = w.fused(x.vector(i * width * channels + at, LANES), gain, offset)
            code = w.fused(silu(w, normed), inverse, base).bits_as(I32) - less
            codes.put(i * stride + at, code.as_type(I16))


@compiled(1)
def encode_signed(w: Writer) -> None:
    """As `encode`, but codes int16 less `zero`."""
    width, stride, zero, inverse, base = *(w.integer(place) for place in range(3)), w.real(3), w.real(4)
    x, codes, less = w.array(5, F32), w.array(6, I16), zero.as_type(I32)
    base = base + float(ROUNDER)
    with w.rows() as i:
        row, coded = x.from_(i * width), codes.from_(i * stride)
        with w.loop(width) as j:
            coded[j] = (w.fused(row[j], inverse, base).bits_as(I32) - less).as_type(I16)
