"""Passes over tensors on a CPU that PyTorch has no single operator for, compiled by Numba at the first call.

A pass gets the address of a job: int64 numbers of which the first four say who does which rows (`take`) and
the others are its arguments, addresses among them. `threads.run` starts it on all of PyTorch's threads, each
of which takes rows until none is left. What is compiled is kept on disk, so a second process only loads it;
all of it is in this file because that cache looks at no other for changes. bfloat16 is read and written as
its bits. Device code only: the modules of each op say what runs.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import carray, cfunc, njit, types
from numba.extending import intrinsic

F32, I64, I32, U16, I8 = np.float32, np.int64, np.int32, np.uint16, np.int8
SMALLEST = F32(1e-30)
"""As in quantize.reference."""
ROUNDER = F32(3 << 22)
"""1.5 * 2^23: what is added to it is rounded, half to even, into the lowest bits of the sum."""
ABSOLUTE = I32(0x7FFFFFFF)
"""The bits of a float32 without its sign."""
LOG2_E, LN2_HIGH, LN2_LOW = F32(1.44269504), F32(0.693359375), F32(-2.12194440e-4)
LOWEST = F32(-87.0)
"""exp of less is taken for exp of this, 1.6e-38."""


@intrinsic
def bits(_, number):
    """float32 -> the int32 of the same bits."""
    return types.int32(types.float32), lambda c, b, s, values: b.bitcast(values[0], ir.IntType(32))


@intrinsic
def from_bits(_, number):
    """int32 -> the float32 of the same bits."""
    return types.float32(types.int32), lambda c, b, s, values: b.bitcast(values[0], ir.FloatType())


@intrinsic
def pointer(_, address):
    """int64 -> what `carray` takes for an address."""
    place = ir.IntType(8).as_pointer()
    return types.voidptr(types.int64), lambda c, b, s, values: b.inttoptr(values[0], place)


@intrinsic
def add_to(_, address, number):
    """Adds to the int64 at `address` in one go, whatever other threads do; returns what was there."""

    def generate(context, builder, signature, values):
        place = builder.inttoptr(values[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", place, values[1], "monotonic")

    return types.int64(types.int64, types.int64), generate


def run_of(width):
    """The intrinsic that makes 128 codes of `width` bits each, at one address, into int8 codes times an int8
    factor at another: vector by vector, because the compiler does not find that by itself."""

    @intrinsic
    def unpack_run(_, source, target, factor):
        def generate(context, builder, signature, values):
            lanes = 16 * width
            vector = ir.VectorType(ir.IntType(8), lanes)

            def all_of(number):
                return ir.Constant(vector, [number] * lanes)

            packed = builder.load(builder.inttoptr(values[0], vector.as_pointer()), align=1)
            first = builder.insert_element(all_of(0), values[2], ir.Constant(ir.IntType(32), 0))
            spread = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
            plus = builder.shuffle_vector(first, all_of(0), spread)
            minus = builder.sub(all_of(0), plus)
            for plane in range(8 // width):
                # The code is in the top bits: negative where the first is set; two bits may also be 00.
                codes = plus
                if width == 2:
                    codes = builder.select(builder.icmp_signed(">=", packed, all_of(64)), plus, all_of(0))
                codes = builder.select(builder.icmp_signed("<", packed, all_of(0)), minus, codes)
                place = builder.add(values[1], ir.Constant(ir.IntType(64), plane * lanes))
                builder.store(codes, builder.inttoptr(place, vector.as_pointer()), align=1)
                packed = builder.shl(packed, all_of(width))
            return context.get_dummy_value()

        return types.none(types.int64, types.int64, types.int8), generate

    return unpack_run


unpack_ternary_run, unpack_binary_run = run_of(2), run_of(1)


@intrinsic
def fold_nibbles(_, source, target, zero, factor):
    """16 bytes of int4 codes at one address -> (code - zero) * factor as 32 int8, rounded, at another."""

    def generate(context, builder, signature, values):
        source, target, zero, factor = values
        byte, number = ir.VectorType(ir.IntType(8), 16), ir.VectorType(ir.IntType(32), 16)
        real = ir.VectorType(ir.FloatType(), 16)

        def all_of(kind, value):
            first = builder.insert_element(
                ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
            )
            return builder.shuffle_vector(first, first, ir.Constant(number, [0] * 16))

        four, rounder = ir.Constant(byte, [4] * 16), ir.Constant(real, [float(ROUNDER)] * 16)
        packed = builder.load(builder.inttoptr(source, byte.as_pointer()), align=1)
        upper, lower = builder.ashr(packed, four), builder.ashr(builder.shl(packed, four), four)
        for start, codes in ((0, upper), (16, lower)):
            less = builder.sub(builder.sext(codes, number), all_of(number, zero))
            scaled = builder.fmul(builder.sitofp(less, real), all_of(real, factor))
            rounded = builder.bitcast(builder.fadd(scaled, rounder), number)
            place = builder.add(target, ir.Constant(ir.IntType(64), start))
            builder.store(builder.trunc(rounded, byte), builder.inttoptr(place, byte.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int32, types.float32), generate


def compiled(function):
    """`function` of a job's address, as machine code that C can call; its address is `.address`."""
    signature, options = types.void(types.voidptr), {"nopython": True, "error_model": "numpy"}
    try:
        return cfunc(signature, cache=True, **options)(function)
    except RuntimeError:  # neither this folder nor the user's cache can be written to
        return cfunc(signature, **options)(function)


def inner(function):
    return njit(function, error_model="numpy", inline="never")


@inner
def take(job):
    """First and last (exclusive) of the rows to do next; none are left where the first is not below it."""
    rows, each = job[1], job[2]
    first = add_to(job[0], each)
    return first, min(first + each, rows)


@inner
def widen(row, out):
    """bfloat16 -> float32."""
    for j in range(out.size):
        out[j] = from_bits(I32(row[j]) << I32(16))


@inner
def narrow(row, out):
    """float32 -> bfloat16, half to even; NaN stays NaN."""
    for j in range(out.size):
        pattern = bits(row[j])
        rounded = (pattern + I32(0x7FFF) + ((pattern >> I32(16)) & I32(1))) >> I32(16)
        out[j] = U16(rounded) if row[j] == row[j] else U16(0x7FC0)


@njit(error_model="numpy", fastmath={"contract"})
def exponentiate(x):
    """exp of numbers up to 88, in place, to 2 units in the last place (Cephes' polynomial)."""
    for j in range(x.size):
        number = LOWEST if x[j] < LOWEST else x[j]
        shifted = number * LOG2_E + ROUNDER
        whole = shifted - ROUNDER
        rest = number - whole * LN2_HIGH - whole * LN2_LOW
        value = F32(1.9875691500e-4)
        value = value * rest + F32(1.3981999507e-3)
        value = value * rest + F32(8.3334519073e-3)
        value = value * rest + F32(4.1665795894e-2)
        value = value * rest + F32(1.6666665459e-1)
        value = value * rest + F32(5.0000001201e-1)
        value = value * rest * rest + rest + F32(1)
        x[j] = from_bits(I32(bits(value) + I32(bits(shifted) << I32(23))))


@njit(error_model="numpy", fastmath={"reassoc"})
def total(row):
    """The sum in any order, as vectors have it; the same for the same length."""
    found = F32(0)
    for j in range(row.size):
        found += row[j]
    return found


@inner
def fold_bytes(codes, factor, out):
    for j in range(out.size):
        out[j] = I8(bits(F32(codes[j]) * factor + ROUNDER))


@inner
def scaled(products, row_scale, token_scale, out):
    for j in range(out.size):
        out[j] = F32(products[j]) * row_scale[j] * token_scale


@inner
def put(row, address, place, columns, is_narrow):
    if is_narrow:
        narrow(row, carray(pointer(address + place * 2), columns, U16))
    else:
        carray(pointer(address + place * 4), columns, F32)[:] = row


@compiled
def quantize(address):
    """x [M, K], bfloat16 or float32, rows `stride` apart -> codes int8 [M, K], scale float32 [M]."""
    job = carray(address, 16, I64)
    columns, is_narrow, stride = job[4], job[5], job[6]
    rows = job[1]
    codes, scales = carray(pointer(job[8]), (rows, columns), I8), carray(pointer(job[9]), rows, F32)
    wide = np.empty(columns, F32)
    while True:
        first, last = take(job)
        if first >= last:
            return
        for i in range(first, last):
            if is_narrow:
                widen(carray(pointer(job[7] + i * stride * 2), columns, U16), wide)
            else:
                wide[:] = carray(pointer(job[7] + i * stride * 4), columns, F32)
            largest = I32(0)  # magnitudes compare as their bits do, and NaN is the largest
            for j in range(columns):
                largest = max(largest, bits(wide[j]) & ABSOLUTE)
            limit = from_bits(largest)
            scale = (SMALLEST if limit < SMALLEST else limit) / F32(127)
            scales[i] = scale
            row = codes[i]
            for j in range(columns):
                row[j] = I8(bits(wide[j] / scale + ROUNDER))


@compiled
def unpack(address):
    """Packed ternary or binary codes [N, K] -> int8 [N, K], times an int8 factor a group [N, G]."""
    job = carray(address, 16, I64)
    runs, per_group, is_ternary = job[4], job[5], job[6]
    packed, factors, codes = job[7], job[8], job[9]
    size = 32 if is_ternary else 16
    while True:
        first, last = take(job)
        if first >= last:
            return
        factor = carray(pointer(factors), last * (runs // per_group), I8)
        for run in range(first * runs, last * runs):
            if is_ternary:
                unpack_ternary_run(packed + run * size, codes + run * 128, factor[run // per_group])
            else:
                unpack_binary_run(packed + run * size, codes + run * 128, factor[run // per_group])


@compiled
def fold(address):
    """int4 codes [N, K / 2], less int8 zero points [N, G] if there are any, or int8 codes [N, K], times
    factors float32 [N, G] -> int8 [N, K]."""
    job = carray(address, 16, I64)
    groups, size, is_int4, has_zeros = job[4], job[5], job[6], job[7]
    while True:
        first, last = take(job)
        if first >= last:
            return
        for group in range(first * groups, last * groups):
            factor = carray(pointer(job[10] + group * 4), 1, F32)[0]
            out = job[11] + group * size
            if is_int4:
                zero = I32(carray(pointer(job[9] + group), 1, I8)[0]) if has_zeros else I32(0)
                for start in range(0, size, 32):
                    fold_nibbles(job[8] + (group * size + start) // 2, out + start, zero, factor)
            else:
                codes = carray(pointer(job[8] + group * size), size, I8)
                fold_bytes(codes, factor, carray(pointer(out), size, I8))


@compiled
def finish(address):
    """int32 products [M, R] * row scale [R] * token scale [M] -> out [M, R], bfloat16 or float32, rows
    `stride` apart."""
    job = carray(address, 16, I64)
    columns, is_narrow, stride = job[4], job[5], job[6]
    products = carray(pointer(job[7]), (job[1], columns), I32)
    row_scale, token_scale = carray(pointer(job[8]), columns, F32), carray(pointer(job[9]), job[1], F32)
    wide = np.empty(columns, F32)
    while True:
        first, last = take(job)
        if first >= last:
            return
        for i in range(first, last):
            scaled(products[i], row_scale, token_scale[i], wide)
            put(wide, job[10], i * stride, columns, is_narrow)


@compiled
def finish_swiglu(address):
    """As `finish`, of gates and of values: silu(gate) * value."""
    job = carray(address, 16, I64)
    columns, is_narrow, stride = job[4], job[5], job[6]
    gates = carray(pointer(job[7]), (job[1], columns), I32)
    values = carray(pointer(job[8]), (job[1], columns), I32)
    gate_scale, value_scale = carray(pointer(job[9]), columns, F32), carray(pointer(job[10]), columns, F32)
    token_scale = carray(pointer(job[11]), job[1], F32)
    gate, value, power = np.empty(columns, F32), np.empty(columns, F32), np.empty(columns, F32)
    while True:
        first, last = take(job)
        if first >= last:
            return
        for i in range(first, last):
            scaled(gates[i], gate_scale, token_scale[i], gate)
            scaled(values[i], value_scale, token_scale[i], value)
            for j in range(columns):
                power[j] = -gate[j] if gate[j] > LOWEST else -LOWEST
            exponentiate(power)
            for j in range(columns):
                value[j] = gate[j] / (F32(1) + power[j]) * value[j]
            put(value, job[12], i * stride, columns, is_narrow)


@compiled
def softmax(address):
    """Scores bfloat16 [M, T] -> their softmax, in place."""
    job = carray(address, 16, I64)
    columns = job[4]
    wide = np.empty(columns, F32)
    while True:
        first, last = take(job)
        if first >= last:
            return
        for i in range(first, last):
            row = carray(pointer(job[5] + i * columns * 2), columns, U16)
            widen(row, wide)
            largest = I32(-0x80000000)
            for j in range(columns):
                pattern = bits(wide[j])  # negative numbers compare as their bits do, upside down
                largest = max(largest, I32(pattern ^ I32(I32(pattern >> I32(31)) & ABSOLUTE)))
            top = from_bits(I32(largest ^ I32(I32(largest >> I32(31)) & ABSOLUTE)))
            for j in range(columns):
                wide[j] -= top
            exponentiate(wide)
            share = F32(1) / total(wide)
            for j in range(columns):
                wide[j] *= share
            narrow(wide, row)


@compiled
def rotate(address):
    """bfloat16 heads [S, C, D], tokens `stride` apart -> out [S, C, D]: divided by their root mean square,
    times weight float32 [C, D], and each pair of neighbours turned by cos, sin float32 [S, D / 2]."""
    job = carray(address, 16, I64)
    rows, heads, channels, stride = job[1], job[4], job[5], job[6]
    eps = carray(pointer(job[7]), 1, F32)[0]
    half = channels // 2
    weight = carray(pointer(job[9]), (heads, channels), F32)
    cosines, sines = carray(pointer(job[10]), (rows, half), F32), carray(pointer(job[11]), (rows, half), F32)
    wide, square = np.empty(channels, F32), np.empty(channels, F32)
    while True:
        first, last = take(job)
        if first >= last:
            return
        for i in range(first, last):
            cos, sin = cosines[i], sines[i]
            for head in range(heads):
                widen(carray(pointer(job[8] + (i * stride + head * channels) * 2), channels, U16), wide)
                for j in range(channels):
                    square[j] = wide[j] * wide[j]
                scale = F32(1) / np.sqrt(total(square) / F32(channels) + eps)
                gain = weight[head]
                for j in range(channels):
                    wide[j] = wide[j] * gain[j] * scale
                for j in range(half):
                    one, other = wide[2 * j], wide[2 * j + 1]
                    wide[2 * j] = one * cos[j] - other * sin[j]
                    wide[2 * j + 1] = other * cos[j] + one * sin[j]
                put(wide, job[12], (i * heads + head) * channels, channels, True)
