"""The weight-only product on a GPU, in Triton: codes become 16-bit operands in registers, exactly, and each
group's sums get their scale in float32.

The tile computed is out^T = W X^T, as in matmul/gpu_kernels.py and for the same reason. Device code only;
`gpu.py` launches it.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _ternary(packed, KIND: tl.constexpr, ROWS: tl.constexpr, ASSEMBLY: tl.constexpr):
    """uint8 [R, 32] -> twice the codes [R, 128]: the two bits are a float's sign and the top of its exponent,
    so that 01 is 2, 11 is -2 and 00 is 0 in float16 and bfloat16 alike."""
    if ASSEMBLY:
        # Four bytes go to the tops of two words' halves; each shift and mask is then two weights.
        a, b, c, d = tl.inline_asm_elementwise(
            asm="""{
            .reg .b32 word, low, high;
            prmt.b32 low, $8, 0, 0x1404;
            prmt.b32 high, $8, 0, 0x3424;
            and.b32 $0, low, 0xC000C000;
            and.b32 $1, high, 0xC000C000;
            shl.b32 word, low, 2; and.b32 $2, word, 0xC000C000;
            shl.b32 word, high, 2; and.b32 $3, word, 0xC000C000;
            shl.b32 word, low, 4; and.b32 $4, word, 0xC000C000;
            shl.b32 word, high, 4; and.b32 $5, word, 0xC000C000;
            shl.b32 word, low, 6; and.b32 $6, word, 0xC000C000;
            shl.b32 word, high, 6; and.b32 $7, word, 0xC000C000;
            }""",
            constraints="=&r,=&r,=&r,=&r,=&r,=&r,=&r,=&r,r",
            args=[packed],
            dtype=(tl.uint16, tl.uint16, tl.uint16, tl.uint16),
            is_pure=True,
            pack=4,
        )
    else:
        word = packed.to(tl.uint16)
        a, b = (word << 8) & 0xC000, (word << 10) & 0xC000
        c, d = (word << 12) & 0xC000, (word << 14) & 0xC000
    planes = tl.join(tl.join(a, c), tl.join(b, d))
    return tl.reshape(tl.permute(planes, (0, 2, 3, 1)), (ROWS, 128)).to(KIND, bitcast=True)


@triton.jit
def _binary(packed, KIND: tl.constexpr, ROWS: tl.constexpr, ASSEMBLY: tl.constexpr):
    """uint8 [R, 16] -> twice the codes [R, 128]: the bit is the sign of a 2."""
    if ASSEMBLY:
        a, b, c, d, e, f, g, h = tl.inline_asm_elementwise(
            asm="""{
            .reg .b32 word, low, high;
            prmt.b32 low, $16, 0, 0x1404;
            prmt.b32 high, $16, 0, 0x3424;
            and.b32 word, low, 0x80008000; or.b32 $0, word, 0x40004000;
            and.b32 word, high, 0x80008000; or.b32 $1, word, 0x40004000;
            shl.b32 word, low, 1; and.b32 word, word, 0x80008000; or.b32 $2, word, 0x40004000;
            shl.b32 word, high, 1; and.b32 word, word, 0x80008000; or.b32 $3, word, 0x40004000;
            shl.b32 word, low, 2; and.b32 word, word, 0x80008000; or.b32 $4, word, 0x40004000;
            shl.b32 word, high, 2; and.b32 word, word, 0x80008000; or.b32 $5, word, 0x40004000;
            shl.b32 word, low, 3; and.b32 word, word, 0x80008000; or.b32 $6, word, 0x40004000;
            shl.b32 word, high, 3; and.b32 word, word, 0x80008000; or.b32 $7, word, 0x40004000;
            shl.b32 word, low, 4; and.b32 word, word, 0x80008000; or.b32 $8, word, 0x40004000;
            shl.b32 word, high, 4; and.b32 word, word, 0x80008000; or.b32 $9, word, 0x40004000;
            shl.b32 word, low, 5; and.b32 word, word, 0x80008000; or.b32 $10, word, 0x40004000;
            shl.b32 word, high, 5; and.b32 word, word, 0x80008000; or.b32 $11, word, 0x40004000;
            shl.b32 word, low, 6; and.b32 word, word, 0x80008000; or.b32 $12, word, 0x40004000;
            shl.b32 word, high, 6; and.b32 word, word, 0x80008000; or.b32 $13, word, 0x40004000;
            shl.b32 word, low, 7; and.b32 word, word, 0x80008000; or.b32 $14, word, 0x40004000;
            shl.b32 word, high, 7; and.b32 word, word, 0x80008000; or.b32 $15, word, 0x40004000;
            }""",
            constraints="=&r,=&r,=&r,=&r,=&r,=&r,=&r,=&r,=&r,=&r,=&r,=&r,=&r,=&r,=&r,=&r,r",
            args=[packed],
            dtype=(
                tl.uint16,
                tl.uint16,
                tl.uint16,
                tl.uint16,
                tl.uint16,
                tl.uint16,
                tl.uint16,
                tl.uint16,
            ),
            is_pure=True,
            pack=4,
        )
    else:
        word = packed.to(tl.uint16)
        a, b = (word << 8) & 0x8000 | 0x4000, (word << 9) & 0x8000 | 0x4000
        c, d = (word << 10) & 0x8000 | 0x4000, (word << 11) & 0x8000 | 0x4000
        e, f = (word << 12) & 0x8000 | 0x4000, (word << 13) & 0x8000 | 0x4000
        g, h = (word << 14) & 0x8000 | 0x4000, (word << 15) & 0x8000 | 0x4000
    even = tl.join(tl.join(a, e), tl.join(c, g))
    odd = tl.join(tl.join(b, f), tl.join(d, h))
    planes = tl.permute(tl.join(even, odd), (0, 2, 3, 4, 1))
    return tl.reshape(planes, (ROWS, 128)).to(KIND, bitcast=True)


@triton.jit
def _nibbles(packed, BASE: tl.constexpr, ASSEMBLY: tl.constexpr):
    """uint8 -> of the upper and of the lower four bits, BASE with code + 8 as its last bits, uint16: a nibble
    of two's complement, its top bit turned over, is code + 8."""
    if ASSEMBLY:
        turned = tl.full(packed.shape, BASE | 8, tl.uint16)
        return tl.inline_asm_elementwise(
            asm="""{
            .reg .b32 word, low, high;
            prmt.b32 low, $4, 0, 0x4140;
            prmt.b32 high, $4, 0, 0x4342;
            shr.u32 word, low, 4; and.b32 word, word, 0x000F000F; xor.b32 $0, word, $5;
            shr.u32 word, high, 4; and.b32 word, word, 0x000F000F; xor.b32 $1, word, $6;
            and.b32 word, low, 0x000F000F; xor.b32 $2, word, $5;
            and.b32 word, high, 0x000F000F; xor.b32 $3, word, $6;
            }""",
            constraints="=&r,=&r,=&r,=&r,r,r,r",
            args=[packed, turned],
            dtype=(tl.uint16, tl.uint16),
            is_pure=True,
            pack=4,
        )
    else:
        word = packed.to(tl.uint16)
        return ((word >> 4) ^ 8) | BASE, ((word & 0xF) ^ 8) | BASE


@triton.jit
def _int4(packed, zero, KIND: tl.constexpr, ROWS: tl.constexpr, STEP: tl.constexpr, ASSEMBLY: tl.constexpr):
    """uint8 [R, STEP / 2] and zero points int8 [R] -> codes less their zero point [R, STEP]."""
    # The last bits of 128 in bfloat16, of 1024 in float16, count ones: no conversion.
    BASE: tl.constexpr = 0x4300 if tl.bfloat16 == KIND else 0x6400
    OFFSET: tl.constexpr = 136 if tl.bfloat16 == KIND else 1032
    high, low = _nibbles(packed, BASE, ASSEMBLY)
    planes = tl.reshape(tl.join(high, low), (ROWS, STEP // 32, 16, 2))
    codes = tl.reshape(tl.permute(planes, (0, 1, 3, 2)), (ROWS, STEP)).to(KIND, bitcast=True)
    return codes - (zero.to(tl.float32) + OFFSET).to(KIND)[:, None]


@triton.jit(do_not_specialize=["count"])
def product(
    tokens,  # float16 or bfloat16 [count, columns]
    packed,  # uint8 or int8 [rows, columns * BITS / 8]
    scales,  # float16 [groups, rows]
    zero_points,  # int8 [groups, rows], with ZEROS
    bias,  # [rows], with BIAS
    out,  # [count, rows]
    count,
    rows,
    columns,
    token_stride,
    steps,  # of a group
    BITS: tl.constexpr,
    BIAS: tl.constexpr,
    ZEROS: tl.constexpr,
    ROW_SCALE: tl.constexpr,  # one group
    RAGGED: tl.constexpr,  # columns that are no multiple of STEP, of int8 weights with one group
    STEP: tl.constexpr,
    TOKENS: tl.constexpr,
    ROWS: tl.constexpr,
    BAND: tl.constexpr,
    ASSEMBLY: tl.constexpr,
):
    """A tile of TOKENS tokens and ROWS weight rows of `reference.weight_only_matmul`."""
    program = tl.program_id(0)
    token_tiles, row_tiles = tl.cdiv(count, TOKENS), tl.cdiv(rows, ROWS)
    first = program // (BAND * row_tiles) * BAND
    width = tl.minimum(token_tiles - first, BAND)
    inside = program % (BAND * row_tiles)
    token = (first + inside % width) * TOKENS + tl.arange(0, TOKENS)
    output = inside // width * ROWS + tl.arange(0, ROWS)
    row = tl.minimum(output, rows - 1)
    token_row = tl.minimum(token, count - 1).to(tl.int64)

    KIND: tl.constexpr = tokens.dtype.element_ty
    byte = tl.arange(0, STEP * BITS // 8)
    column = tl.arange(0, STEP)
    packed_at = packed + row[:, None] * (columns * BITS // 8) + byte[None, :]
    tokens_at = tokens + token_row[:, None] * token_stride + column[None, :]
    total = tl.zeros((ROWS, TOKENS), tl.float32)
    zero = tl.zeros((ROWS,), tl.int8)
    for step in range(tl.cdiv(columns, STEP)):
        if RAGGED:
            inside_row = (column < columns - step * STEP)[None, :]
            values = tl.load(tokens_at + step * STEP, mask=inside_row, other=0)
            weight = tl.load(packed_at + step * STEP, mask=inside_row, other=0)
        else:
            values = tl.load(tokens_at + step * STEP)
            weight = tl.load(packed_at + step * (STEP * BITS // 8))
        group = step // steps * rows + row
        if BITS == 1:
            weight = _binary(weight, KIND, ROWS, ASSEMBLY)
        elif BITS == 2:
            weight = _ternary(weight, KIND, ROWS, ASSEMBLY)
        elif BITS == 4:
            if ZEROS:
                zero = tl.load(zero_points + group)
            weight = _int4(weight, zero, KIND, ROWS, STEP, ASSEMBLY)
        else:
            weight = weight.to(KIND)
        if ROW_SCALE:
            total = tl.dot(weight, tl.trans(values), total)
        else:
            scale = tl.load(scales + group).to(tl.float32)
            total += tl.dot(weight, tl.trans(values)) * scale[:, None]

    if ROW_SCALE:
        total = total * tl.load(scales + row).to(tl.float32)[:, None]
    if BITS < 4:
        total = total * 0.5
    if BIAS:
        total += tl.load(bias + row).to(tl.float32)[:, None]
    fits = (output < rows)[:, None] & (token < count)[None, :]
    place = token_row[None, :] * rows + output[:, None]
    tl.store(out + place, total.to(out.dtype.element_ty), mask=fits)
