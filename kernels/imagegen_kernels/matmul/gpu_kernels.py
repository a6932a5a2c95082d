"""The quantised product on a GPU, in Triton: weights unpacked in registers, integers in the tensor cores.

The tile computed is out^T = W X^T: only the first operand of a tensor-core product can come from registers,
and that is where unpacked weights are. Device code only; `gpu.py` launches it.
"""

from __future__ import annotations

import triton
import triton.language as tl

RUN = tl.constexpr(128)
"""Columns a step: those whose codes share a run of bytes (formats/bits.py)."""


@triton.jit
def _ternary_planes(packed, factor, ASSEMBLY: tl.constexpr):
    """uint8 [R, 32] and int8 [R] -> code * factor, int8 [R, 32] four times: columns j, 32+j, 64+j, 96+j."""
    if ASSEMBLY:
        # The bytes 0, +q, 0, -q are looked up by code: four at a time, 13 instructions for 16 weights. The
        # look-up is one a row, so four elements that are packed together must be of one row; `gpu.is_exact`
        # sees to it.
        positive = factor.to(tl.int32) & 0xFF
        negative = (-factor.to(tl.int32)) & 0xFF
        table = tl.broadcast_to(((positive << 8) | (negative << 24))[:, None], packed.shape)
        return tl.inline_asm_elementwise(
            asm="""{
            .reg .b32 odd, even, high, low;
            and.b32 odd, $4, 0x33333333;
            shr.u32 even, $4, 2;
            and.b32 even, even, 0x33333333;
            prmt.b32 low, $5, $5, odd;
            shr.u32 odd, odd, 16;
            prmt.b32 high, $5, $5, odd;
            prmt.b32 $3, low, high, 0x6420;
            prmt.b32 $1, low, high, 0x7531;
            prmt.b32 low, $5, $5, even;
            shr.u32 even, even, 16;
            prmt.b32 high, $5, $5, even;
            prmt.b32 $2, low, high, 0x6420;
            prmt.b32 $0, low, high, 0x7531;
            }""",
            constraints="=&r,=&r,=&r,=&r,r,r,r,r,r",
            args=[packed, table],
            dtype=(tl.int8, tl.int8, tl.int8, tl.int8),
            is_pure=True,
            pack=4,
        )
    else:
        factor = factor[:, None]
        return (
            (packed.to(tl.int8, bitcast=True) >> 6) * factor,
            ((packed << 2).to(tl.int8, bitcast=True) >> 6) * factor,
            ((packed << 4).to(tl.int8, bitcast=True) >> 6) * factor,
            ((packed << 6).to(tl.int8, bitcast=True) >> 6) * factor,
        )


@triton.jit
def _binary_planes(packed, factor, ASSEMBLY: tl.constexpr):
    """uint8 [R, 16] and int8 [R] -> code * factor, int8 [R, 16] eight times: columns j, 16+j, ... 112+j."""
    positive = tl.broadcast_to(factor[:, None], packed.shape)
    negative = tl.broadcast_to((-factor)[:, None], packed.shape)
    if ASSEMBLY:
        # `prmt` in its sign mode makes a byte of ones of every set top bit; `lop3` chooses by it.
        return tl.inline_asm_elementwise(
            asm="""{
            .reg .b32 word, sign;
            prmt.b32 sign, $8, $8, 0xBA98;
            lop3.b32 $0, sign, $10, $9, 0xCA;
            shl.b32 word, $8, 1; prmt.b32 sign, word, word, 0xBA98;
            lop3.b32 $1, sign, $10, $9, 0xCA;
            shl.b32 word, $8, 2; prmt.b32 sign, word, word, 0xBA98;
            lop3.b32 $2, sign, $10, $9, 0xCA;
            shl.b32 word, $8, 3; prmt.b32 sign, word, word, 0xBA98;
            lop3.b32 $3, sign, $10, $9, 0xCA;
            shl.b32 word, $8, 4; prmt.b32 sign, word, word, 0xBA98;
            lop3.b32 $4, sign, $10, $9, 0xCA;
            shl.b32 word, $8, 5; prmt.b32 sign, word, word, 0xBA98;
            lop3.b32 $5, sign, $10, $9, 0xCA;
            shl.b32 word, $8, 6; prmt.b32 sign, word, word, 0xBA98;
            lop3.b32 $6, sign, $10, $9, 0xCA;
            shl.b32 word, $8, 7; prmt.b32 sign, word, word, 0xBA98;
            lop3.b32 $7, sign, $10, $9, 0xCA;
            }""",
            constraints="=&r,=&r,=&r,=&r,=&r,=&r,=&r,=&r,r,r,r",
            args=[packed, positive, negative],
            dtype=(tl.int8, tl.int8, tl.int8, tl.int8, tl.int8, tl.int8, tl.int8, tl.int8),
            is_pure=True,
            pack=4,
        )
    else:
        return (
            tl.where((packed & 0x80) != 0, negative, positive),
            tl.where((packed & 0x40) != 0, negative, positive),
            tl.where((packed & 0x20) != 0, negative, positive),
            tl.where((packed & 0x10) != 0, negative, positive),
            tl.where((packed & 0x08) != 0, negative, positive),
            tl.where((packed & 0x04) != 0, negative, positive),
            tl.where((packed & 0x02) != 0, negative, positive),
            tl.where((packed & 0x01) != 0, negative, positive),
        )


@triton.jit
def _looked_up(nibble, a, b, c, d):
    """The byte of sixteen, four int32 [R], that a nibble uint8 [R, 64] names -> int8 [R, 64]."""
    below = tl.where(nibble < 4, a[:, None], b[:, None])
    above = tl.where(nibble < 12, c[:, None], d[:, None])
    word = tl.where(nibble < 8, below, above)
    return (word >> ((nibble & 3) * 8).to(tl.int32)).to(tl.int8)


@triton.jit
def _int4_planes(packed, a, b, c, d, ASSEMBLY: tl.constexpr):
    """uint8 [R, 64] and what its row makes of the sixteen nibbles, int32 [R] four times -> int8 [R, 64] of
    the upper and of the lower nibbles."""
    if ASSEMBLY:
        # Four nibbles look up at once, in the bytes of the eight codes from 0 and in those of the others,
        # and their top bits choose: 14 instructions for 8 weights, all of one row as with ternary codes.
        return tl.inline_asm_elementwise(
            asm="""{
            .reg .b32 name, side, one, other, low, high;
            and.b32 name, $2, 0x77777777;
            shr.u32 side, $2, 1;
            and.b32 side, side, 0x44444444;
            or.b32 side, side, 0x32103210;
            prmt.b32 one, $3, $7, name;
            prmt.b32 other, $11, $15, name;
            prmt.b32 low, one, other, side;
            shr.u32 name, name, 16;
            shr.u32 side, side, 16;
            prmt.b32 one, $3, $7, name;
            prmt.b32 other, $11, $15, name;
            prmt.b32 high, one, other, side;
            prmt.b32 $0, low, high, 0x7531;
            prmt.b32 $1, low, high, 0x6420;
            }""",
            constraints="=&r,=&r,r,r,r,r,r,r,r,r,r,r,r,r,r,r,r,r,r",
            args=[
                packed,
                tl.broadcast_to(a[:, None], packed.shape),
                tl.broadcast_to(b[:, None], packed.shape),
                tl.broadcast_to(c[:, None], packed.shape),
                tl.broadcast_to(d[:, None], packed.shape),
            ],
            dtype=(tl.int8, tl.int8),
            is_pure=True,
            pack=4,
        )
    else:
        return _looked_up(packed >> 4, a, b, c, d), _looked_up(packed & 0xF, a, b, c, d)


@triton.jit
def _unpacked_int4(packed, table, stride, ROWS: tl.constexpr, ASSEMBLY: tl.constexpr):
    """A run of packed bytes [ROWS, 64], and the first words of their tables -> int8 [ROWS, 128]."""
    a, b, c, d = (
        tl.load(table),
        tl.load(table + stride),
        tl.load(table + 2 * stride),
        tl.load(table + 3 * stride),
    )
    high, low = _int4_planes(packed, a, b, c, d, ASSEMBLY)
    planes = tl.reshape(tl.join(high, low), (ROWS, RUN // 32, 16, 2))
    return tl.reshape(tl.permute(planes, (0, 1, 3, 2)), (ROWS, RUN))


@triton.jit
def _unpacked(packed, factor, BITS: tl.constexpr, ROWS: tl.constexpr, ASSEMBLY: tl.constexpr):
    """A run of packed bytes [ROWS, 16 * BITS] -> int8 [ROWS, 128], planes behind each other."""
    if BITS == 2:
        a, b, c, d = _ternary_planes(packed, factor, ASSEMBLY)
        planes = tl.join(tl.join(a, c), tl.join(b, d))
        return tl.reshape(tl.permute(planes, (0, 2, 3, 1)), (ROWS, RUN))
    else:
        a, b, c, d, e, f, g, h = _binary_planes(packed, factor, ASSEMBLY)
        even = tl.join(tl.join(a, e), tl.join(c, g))
        odd = tl.join(tl.join(b, f), tl.join(d, h))
        return tl.reshape(tl.permute(tl.join(even, odd), (0, 2, 3, 4, 1)), (ROWS, RUN))


@triton.jit(do_not_specialize=["count", "sample"])
def product(
    tokens,  # int8 [count, columns]
    token_scale,  # float32 [count]
    packed,  # uint8 or int8 [all rows, columns * BITS / 8]
    factors,  # int8 [columns / 128, all rows]; of int4 its tables, int32 [columns / 32, all rows]
    row_scale,  # float32 [all rows]
    bias,  # [rows]
    residual,  # [count, rows]
    gate,  # [samples or 1, rows]
    out,  # [count, rows]
    count,
    rows,
    columns,
    factor_stride,
    value_offset,  # from the weight row of a gate to that of its value
    out_stride,
    residual_stride,
    gate_stride,
    sample,  # tokens of a sample
    BITS: tl.constexpr,
    BIAS: tl.constexpr,
    SWIGLU: tl.constexpr,
    GATED: tl.constexpr,
    RAGGED: tl.constexpr,  # columns that are no multiple of 128, of int8 weights
    TOKENS: tl.constexpr,
    ROWS: tl.constexpr,
    BAND: tl.constexpr,
    ASSEMBLY: tl.constexpr,
):
    """A tile of TOKENS tokens and ROWS weight rows of `reference.matmul`, what follows it included."""
    OUTPUTS: tl.constexpr = ROWS // 2 if SWIGLU else ROWS
    # Programs that run at the same time share a band of tokens and go through the weight together.
    program = tl.program_id(0)
    token_tiles, row_tiles = tl.cdiv(count, TOKENS), tl.cdiv(rows, OUTPUTS)
    first = program // (BAND * row_tiles) * BAND
    width = tl.minimum(token_tiles - first, BAND)
    inside = program % (BAND * row_tiles)
    token = (first + inside % width) * TOKENS + tl.arange(0, TOKENS)
    output = inside // width * OUTPUTS

    line = tl.arange(0, ROWS)
    if SWIGLU:
        # Eight gates, then their values: both land in the same thread of a tensor-core result.
        row = tl.minimum(output + line // 16 * 8 + line % 8, rows - 1) + line // 8 % 2 * value_offset
    else:
        row = tl.minimum(output + line, rows - 1)
    byte = tl.arange(0, RUN * BITS // 8)
    column = tl.arange(0, RUN)
    packed_at = packed + row[:, None] * (columns * BITS // 8) + byte[None, :]
    token_row = tl.minimum(token, count - 1).to(tl.int64)
    tokens_at = tokens + token_row[:, None] * columns + column[None, :]

    total = tl.zeros((ROWS, TOKENS), tl.int32)
    for step in range(tl.cdiv(columns, RUN)):
        if RAGGED:
            inside_row = (column < columns - step * RUN)[None, :]
            codes = tl.load(tokens_at + step * RUN, mask=inside_row, other=0)
            weight = tl.load(packed_at + step * RUN, mask=inside_row, other=0)
        else:
            codes = tl.load(tokens_at + step * RUN)
            weight = tl.load(packed_at + step * (RUN * BITS // 8))
        if BITS == 4:
            table = factors + step * 4 * factor_stride + row
            weight = _unpacked_int4(weight, table, factor_stride, ROWS, ASSEMBLY)
        elif BITS < 4:
            factor = tl.load(factors + step * factor_stride + row)
            weight = _unpacked(weight, factor, BITS, ROWS, ASSEMBLY)
        total = tl.dot(weight, tl.trans(codes), total, out_dtype=tl.int32)

    scaled = total.to(tl.float32) * tl.load(row_scale + row)[:, None]
    scaled = scaled * tl.load(token_scale + token_row)[None, :]
    output += tl.arange(0, OUTPUTS)
    if SWIGLU:
        pairs = tl.reshape(scaled, (ROWS // 16, 2, 8, TOKENS))
        gates, values = tl.split(tl.permute(pairs, (0, 2, 3, 1)))
        scaled = gates / (1 + tl.exp(-gates)) * values
        scaled = tl.reshape(scaled, (OUTPUTS, TOKENS))
    fits = (output < rows)[:, None] & (token < count)[None, :]
    KIND: tl.constexpr = out.dtype.element_ty
    if BIAS:
        added = tl.load(bias + output, mask=output < rows, other=0).to(KIND).to(tl.float32)
        scaled = scaled.to(KIND).to(tl.float32) + added[:, None]
    place = token_row[None, :]
    if GATED:
        gate_at = gate + place // sample * gate_stride + output[:, None]
        opened = tl.load(gate_at, mask=fits, other=0).to(tl.float32) * scaled.to(KIND).to(tl.float32)
        before = tl.load(residual + place * residual_stride + output[:, None], mask=fits, other=0)
        scaled = before.to(tl.float32) + opened
    tl.store(out + place * out_stride + output[:, None], scaled.to(KIND), mask=fits)
