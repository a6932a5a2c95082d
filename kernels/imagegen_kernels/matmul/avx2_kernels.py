"""Int8 products for x86 processors that have AVX2 and no 8-bit dot product, compiled by Numba.

`vpmaddubsw` multiplies 32 unsigned bytes by 32 signed ones and adds neighbours, in 16 bits, which saturate.
Nothing saturates here. A binary or ternary weight is multiplied as the field that it is packed in, 0, 1 or 2,
straight from the packed bytes: 128 columns give at most 2032 in any lane. Its group's factor is applied to
those sums. With field = (1 - code) / times, what is wanted is

    sum of factor * code * token = sum of factor * (token - times * field * token)

whose first part is a short product of factors with the tokens' sums over each run. An int8 code goes by its
magnitude, and gives its sign to the token: two products are at most 2 * 127 * 127 = 32258.

A tile is 8 rows of the weight and 64 tokens: sums of 16 KB and tokens of 8 KB, which the nearest cache holds.
Each sum is a vector of eight numbers until the end of its row. Device code only; `avx2.py` says what runs.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from imagegen_kernels.cpu_kernels import I8, I32, I64, compiled, pointer, take

I16 = np.int16
RUN = 128
"""Columns whose codes share a run of bytes (formats/bits.py)."""
TOKENS, ROWS = 64, 64
"""Tokens and rows of a task; rows are multiplied eight at a time."""

BYTES, SHORTS, NUMBERS = (ir.VectorType(ir.IntType(bits), 256 // bits) for bits in (8, 16, 32))
HALF = ir.VectorType(ir.IntType(8), 16)
ADDRESS, SHORT = types.int64, types.int16


class Emitter:
    """Writes vector instructions."""

    def __init__(self, builder):
        self.builder = builder

    def place(self, address, kind, offset=0):
        address = self.builder.add(address, ir.Constant(ir.IntType(64), offset)) if offset else address
        return self.builder.inttoptr(address, kind.as_pointer())

    def load(self, address, kind, offset=0):
        return self.builder.load(self.place(address, kind, offset), align=1)

    def store(self, value, address):
        self.builder.store(value, self.place(address, value.type), align=1)

    def step(self, address, index, size):
        """The address of the number `index` of things of `size` bytes."""
        return self.builder.add(address, self.builder.mul(index, ir.Constant(index.type, size)))

    def all_of(self, kind, number):
        return ir.Constant(kind, [number] * kind.count)

    def spread(self, number, kind):
        first = self.builder.insert_element(self.all_of(kind, 0), number, ir.Constant(ir.IntType(32), 0))
        return self.shuffle(first, first, [0] * kind.count)

    def shuffle(self, one, other, lanes):
        order = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
        return self.builder.shuffle_vector(one, other, order)

    def byte_pairs(self, unsigned, signed):
        return self._call("llvm.x86.avx2.pmadd.ub.sw", SHORTS, unsigned, signed)

    def short_pairs(self, one, other):
        return self._call("llvm.x86.avx2.pmadd.wd", NUMBERS, one, other)

    def magnitudes(self, codes):
        negative = self.builder.icmp_signed("<", codes, self.all_of(BYTES, 0))
        return self.builder.select(negative, self.builder.neg(codes), codes)

    def signed_like(self, values, codes):
        return self._call("llvm.x86.avx2.psign.b", BYTES, values, codes)

    def sum_of(self, values):
        while len(values) > 1:
            values = [self.builder.add(*values[i : i + 2]) for i in range(0, len(values), 2)]
        return values[0]

    def fields(self, source, width):
        """A run of packed codes as four vectors of unsigned fields: 1 - code of ternary, (1 - code) / 2 of
        binary ones."""
        if width == 2:
            turned = self.builder.xor(self.load(source, BYTES), self.all_of(BYTES, 0x55))
            word = self.builder.bitcast(turned, SHORTS)
            shifts, mask = [[shift] * 16 for shift in (6, 4, 2, 0)], self.all_of(SHORTS, 0x0303)
        else:
            packed = self.load(source, HALF)
            word = self.builder.bitcast(self.shuffle(packed, packed, [*range(16)] * 2), NUMBERS)
            shifts, mask = [[7 - i] * 4 + [6 - i] * 4 for i in (0, 2, 4, 6)], self.all_of(NUMBERS, 0x01010101)
        planes = [self.builder.lshr(word, ir.Constant(word.type, shift)) for shift in shifts]
        return [self.builder.bitcast(self.builder.and_(plane, mask), BYTES) for plane in planes]

    def _call(self, name, kind, *operands):
        signature = ir.FunctionType(kind, [operand.type for operand in operands])
        function = cgutils.get_or_insert_function(self.builder.module, signature, name)
        return self.builder.call(function, operands)


def multiply_run_of(width):
    """The intrinsic that subtracts factor * field * token, over a run of two packed rows, from the sums of
    `count` tokens [count, 128]. Two rows, so that a token is loaded once for both."""

    @intrinsic
    def multiply_run(_, tokens, count, one, other, factor, other_factor, sums, other_sums):
        def generate(context, builder, signature, values):
            tokens, count, one, other, factor, other_factor, sums, other_sums = values
            emit = Emitter(builder)
            rows = [
                (emit.fields(one, width), emit.spread(factor, SHORTS), sums),
                (emit.fields(other, width), emit.spread(other_factor, SHORTS), other_sums),
            ]
            with cgutils.for_range(builder, count) as loop:
                token = emit.step(tokens, loop.index, RUN)
                token = [emit.load(token, BYTES, 32 * i) for i in range(4)]
                for fields, factors, place in rows:
                    pairs = [emit.byte_pairs(*both) for both in zip(fields, token, strict=True)]
                    product = emit.short_pairs(emit.sum_of(pairs), factors)
                    place = emit.step(place, loop.index, 32)
                    emit.store(builder.sub(emit.load(place, NUMBERS), product), place)
            return context.get_dummy_value()

        kinds = (*[ADDRESS] * 4, SHORT, SHORT, ADDRESS, ADDRESS)
        return types.none(*kinds), generate

    return multiply_run


multiply_ternary_run, multiply_binary_run = multiply_run_of(2), multiply_run_of(1)


@intrinsic
def multiply_code_run(_, tokens, count, codes, sums):
    """Adds code * token, over a run of a row of int8 codes, to the sums of `count` tokens [count, 128]."""

    def generate(context, builder, signature, values):
        tokens, count, codes, sums = values
        emit = Emitter(builder)
        codes = [emit.load(codes, BYTES, 32 * i) for i in range(4)]
        magnitudes = [emit.magnitudes(part) for part in codes]
        ones = emit.all_of(SHORTS, 1)
        with cgutils.for_range(builder, count) as loop:
            token = emit.step(tokens, loop.index, RUN)
            products = []
            for i in range(4):
                signed = emit.signed_like(emit.load(token, BYTES, 32 * i), codes[i])
                products.append(emit.short_pairs(emit.byte_pairs(magnitudes[i], signed), ones))
            place = emit.step(sums, loop.index, 32)
            emit.store(builder.add(emit.load(place, NUMBERS), emit.sum_of(products)), place)
        return context.get_dummy_value()

    return types.none(*[ADDRESS] * 4), generate


@intrinsic
def begin(_, factors, run_sums, stride, count, kept, sums):
    """Sums of `count` tokens: factors int8 [16] times their sums over 16 runs, int16, `stride` bytes apart,
    added to what is there where `kept` is -1 (0: instead of it)."""

    def generate(context, builder, signature, values):
        factors, run_sums, stride, count, kept, sums = values
        emit = Emitter(builder)
        wide = builder.sext(emit.load(factors, HALF), SHORTS)
        mask = emit.spread(builder.trunc(kept, ir.IntType(32)), NUMBERS)
        with cgutils.for_range(builder, count) as loop:
            of_runs = emit.load(builder.add(run_sums, builder.mul(loop.index, stride)), SHORTS)
            place = emit.step(sums, loop.index, 32)
            before = builder.and_(emit.load(place, NUMBERS), mask)
            emit.store(builder.add(before, emit.short_pairs(wide, of_runs)), place)
        return context.get_dummy_value()

    return types.none(*[ADDRESS] * 6), generate


@intrinsic
def add_lanes(_, sums, stride, out):
    """Eight vectors of eight int32, `stride` bytes apart -> the sum of each, int32 [8]."""

    def generate(context, builder, signature, values):
        sums, stride, out = values
        emit = Emitter(builder)
        rows = [emit.load(builder.add(sums, builder.mul(stride, ir.Constant(stride.type, i))), NUMBERS)
                for i in range(8)]  # fmt: skip
        neighbours = [0, 2, 8, 10, 4, 6, 12, 14], [1, 3, 9, 11, 5, 7, 13, 15]
        halves = [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]
        for even, odd in (neighbours, neighbours, halves):
            pairs = [rows[i : i + 2] for i in range(0, len(rows), 2)]
            rows = [builder.add(emit.shuffle(*pair, even), emit.shuffle(*pair, odd)) for pair in pairs]
        emit.store(rows[0], out)
        return context.get_dummy_value()

    return types.none(ADDRESS, ADDRESS, ADDRESS), generate


@compiled
def arrange(address):
    """Codes int8 [M, K] -> run after run [K / 128, M, 128], and their sums over each run, int16 [M, P]; what
    is behind K / 128 is 0."""
    job = carray(address, 16, I64)
    count, runs, padded = job[1], job[4], job[5]
    while True:
        first, last = take(job)
        if first >= last:
            return
        for token in range(first, last):
            sums = carray(pointer(job[8] + token * padded * 2), padded, I16)
            sums[runs:] = 0
            for run in range(runs):
                source = carray(pointer(job[6] + (token * runs + run) * RUN), RUN, I8)
                target = carray(pointer(job[7] + (run * count + token) * RUN), RUN, I8)
                total = I16(0)
                for j in range(RUN):
                    target[j] = source[j]
                    total += I16(source[j])
                sums[run] = total


@compiled
def multiply(address):
    """Tokens as `arrange` leaves them, from one on, times rows of a weight -> int32 [M, R].

    width 2, 1  packed ternary or binary codes [R, K * width / 8], factors int8 [R, P] of each run, 0 behind
                the last
    width 8     int8 codes [R, K]; factors and sums over runs are not read
    """
    job = carray(address, 24, I64)
    count, rows, runs, padded, width, apart = job[4], job[5], job[6], job[7], job[8], job[9]
    tokens, run_sums, packed, factors, out = job[10], job[11], job[12], job[13], job[14]
    size = width * (RUN // 8)
    room = np.empty(8 * TOKENS * 8 + 16, I32)
    sums = (room.ctypes.data + 63) // 64 * 64
    products = np.empty((TOKENS, ROWS), I32)
    blocks = (rows + ROWS - 1) // ROWS
    while True:
        first, last = take(job)
        if first >= last:
            return
        for task in range(first, last):
            token, start = task // blocks * TOKENS, task % blocks * ROWS
            here, end = min(TOKENS, count - token), min(start + ROWS, rows)
            for row in range(start, end, 8):
                for i in range(8):
                    place = sums + i * TOKENS * 32
                    if width == 8:
                        carray(pointer(place), TOKENS * 8, I32)[:] = 0
                        continue
                    factor = factors + min(row + i, rows - 1) * padded
                    for piece in range(padded // 16):
                        of_runs = run_sums + (token * padded + piece * 16) * 2
                        begin(factor + piece * 16, of_runs, padded * 2, here, -min(piece, 1), place)
                for run in range(runs):
                    source = tokens + (run * apart + token) * RUN
                    for i in range(0, 8, 2):
                        # Behind the last row it comes again, and is not written.
                        one, other = min(row + i, rows - 1), min(row + i + 1, rows - 1)
                        place = sums + i * TOKENS * 32
                        beside = place + TOKENS * 32
                        low, high = packed + (one * runs + run) * size, packed + (other * runs + run) * size
                        if width == 8:
                            multiply_code_run(source, here, low, place)
                            multiply_code_run(source, here, high, beside)
                            continue
                        factor = I16(carray(pointer(factors + one * padded + run), 1, I8)[0])
                        second = I16(carray(pointer(factors + other * padded + run), 1, I8)[0])
                        if width == 2:
                            multiply_ternary_run(source, here, low, high, factor, second, place, beside)
                        else:
                            factor, second = I16(factor * I16(2)), I16(second * I16(2))
                            multiply_binary_run(source, here, low, high, factor, second, place, beside)
                for i in range(here):
                    add_lanes(sums + i * 32, TOKENS * 32, products.ctypes.data + (i * ROWS + row - start) * 4)
            # Rows of `out` are some kilobytes apart, all in the same few lines of the cache: whole pieces.
            for i in range(here):
                carray(pointer(out + ((token + i) * rows + start) * 4), end - start, I32)[:] = products[
                    i, : end - start
                ]
